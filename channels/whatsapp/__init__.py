"""WhatsApp through Twilio: signed webhooks in, the SDK out, and the 24 hours in between."""
