"""Mail over a real SMTP server with STARTTLS: sent once, never in clear, never lost."""
