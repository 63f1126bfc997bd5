"""All services of Peerly, in the order in which they start."""

from services.auth.app import SERVICE as AUTH
from services.moderation.app import SERVICE as MODERATION
from services.quota.app import SERVICE as QUOTA
from services.recognition.app import SERVICE as RECOGNITION
from shared.consumer import subscribed

SERVICES = (AUTH, RECOGNITION, QUOTA, MODERATION)
SUBSCRIPTIONS = {service.name: subscribed(service.handlers) for service in SERVICES}
"""Which wire types each service's queue takes."""
