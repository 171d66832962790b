"""What Twilio's errors mean, in sentences for staff."""


def words(code: int | None, http_status: int | None = None) -> str:
    """A sentence: what the error is."""
    if code:
        return f"WhatsApp did not take the message (Twilio's error {code})."
    return "WhatsApp did not take the message, and Twilio gives no reason."
