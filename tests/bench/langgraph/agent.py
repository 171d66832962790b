"""The agent that LangGraph's own tutorials build, behind one route: agent.py PORT PASSAGES_JSON FOLDER.

A model that may call a search tool, the tool, and the model again with what was found; the state of each conversation
in SQLite checkpoints. Two calls a message, of a model that answers at once inside this process: no HTTP, no SDK, which
favours it. Its embedder is Firstline's own file, its articles are Firstline's passages.
"""

import importlib.util
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import chromadb
import uvicorn
from chromadb.config import Settings
from fastapi import FastAPI
from langchain_chroma import Chroma
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from pydantic import BaseModel


def load_embedder() -> Any:
    """Firstline's embedder, by its path: its package wants more than is installed here."""
    path = Path(__file__).parents[3] / "knowledge" / "embedder.py"
    spec = importlib.util.spec_from_file_location("firstline_embedder", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.Embedder()
    made.load()
    return made


class SameEmbedder(Embeddings):
    """As documents throughout: as queries, the embedder would remember those it has met before."""

    def __init__(self) -> None:
        self.embedder = load_embedder()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embedder.embed_documents(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class AtOnce(BaseChatModel):
    """Calls the search tool with the question, then says the first line of what was found."""

    @property
    def _llm_type(self) -> str:
        return "at once"

    def bind_tools(self, tools: Sequence[Any], **options: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *more: Any, **options: Any) -> ChatResult:
        last = messages[-1]
        if isinstance(last, ToolMessage):
            said = AIMessage(str(last.content).split("\n")[0] or "I could not find it.")
        else:
            call = {"name": "search_articles", "args": {"question": last.content}, "id": "call_1"}
            said = AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=said)])

    async def _agenerate(self, messages: list[BaseMessage], *more: Any, **options: Any) -> ChatResult:
        return self._generate(messages)


class Asked(BaseModel):
    thread: str
    text: str


def build_graph(store: Chroma) -> StateGraph[Any, Any, Any, Any]:
    """model -> tools -> model, as in the tutorial on retrieval agents."""

    @tool
    async def search_articles(question: str) -> str:
        """Search the help centre."""
        return "\n\n".join(found.page_content for found in await store.asimilarity_search(question))

    model = AtOnce().bind_tools([search_articles])

    async def call_model(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", call_model)
    graph.add_node("tools", ToolNode([search_articles]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph


def create_app(passages: Path, folder: Path) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        client = chromadb.PersistentClient(str(folder / "chroma"), settings=Settings(anonymized_telemetry=False))
        store = Chroma("passages", SameEmbedder(), client=client)
        store.add_texts(json.loads(passages.read_text()))
        async with AsyncSqliteSaver.from_conn_string(str(folder / "checkpoints.db")) as saver:
            app.state.graph = build_graph(store).compile(checkpointer=saver)
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/chat")
    async def chat(asked: Asked) -> dict[str, str]:
        config = {"configurable": {"thread_id": asked.thread}}
        state = await app.state.graph.ainvoke({"messages": [HumanMessage(asked.text)]}, config)
        return {"reply": str(state["messages"][-1].content)}

    @app.get("/readyz")
    async def readyz() -> dict[str, bool]:
        return {"ready": True}

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(Path(sys.argv[2]), Path(sys.argv[3])), port=int(sys.argv[1]), log_level="warning")
