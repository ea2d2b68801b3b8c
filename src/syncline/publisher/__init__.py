"""The publisher: feature updates leave a streaming job through it, checked (roles.md)."""

from syncline.publisher.delivery import Delivery
from syncline.publisher.ledger import PublisherStats
from syncline.publisher.publisher import Publisher
from syncline.publisher.view import ViewPublisher

__all__ = ["Delivery", "Publisher", "PublisherStats", "ViewPublisher"]
