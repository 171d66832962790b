"""What tests and their processes log, unless they set up the product's own logs: plain lines.

The library's default draws an exception with all its variables, which takes seconds of a processor for each failure
that a test provokes.
"""

import structlog

structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
