"""Whether Claude's API takes the key and knows the model: one question that costs nothing."""

import asyncio

import anthropic
from pydantic import SecretStr

from service.agent import outcomes
from service.agent.connection import make_client


async def try_key(key: SecretStr, base_url: str, model: str, seconds: float) -> str:
    """What is wrong, in a sentence for the operator; empty if nothing is. Goes over the network."""
    client = make_client(key, base_url, seconds)
    try:
        async with asyncio.timeout(seconds):
            await client.models.retrieve(model)
    except (TimeoutError, anthropic.APITimeoutError):
        return outcomes.LATE.staff.format(seconds=seconds)
    except anthropic.APIStatusError as error:
        detail = "" if error.status_code == 429 else f"status {error.status_code}"
        return outcomes.of_status(error.status_code).staff.format(model=model, detail=detail)
    except anthropic.APIConnectionError:
        return outcomes.UNREACHABLE.staff
    except anthropic.AnthropicError as error:
        return outcomes.BROKEN.staff.format(detail=type(error).__name__)
    finally:
        await client.close()
    return ""
