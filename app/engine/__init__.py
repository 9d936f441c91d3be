"""The decode engine. Speaks concurrent.futures; knows no asyncio and no HTTP."""
