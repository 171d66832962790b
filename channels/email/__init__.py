"""Email: mails in, by whichever way a team has them, and answers out."""
