"""Email: a mailbox that customers write to, read and answered."""
