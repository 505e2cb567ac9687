"""How the three collections of an index over Milvus are laid out."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

# Read when grpc is imported, which happens here first; it writes to standard error.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from pymilvus import DataType, Function, FunctionType, MilvusClient

from index.errors import InputError
from index.milvus_server import Server

SCHEMA = 2  # raised by a change that earlier versions cannot read
PASSAGES, TEXTS, DOCUMENTS = "passages", "texts", "documents"
VECTOR, WORDS, WEIGHTS = "vector", "words", "words_weights"  # of a passage; the weights are the server's
LONGEST = 65_535  # bytes of a string
NOTHING = [0.0, 0.0]  # a collection needs a vector, though nobody looks for it
K1, B = 1.2, 0.75  # of BM25, as tantivy has them


def create(server: Server, collection: str, dimension: int, *, exact: bool) -> None:
    """Make the collections that are not there.

    Args:
        server: to make them on.
        collection: that their names begin with.
        dimension: of the passages' vectors.
        exact: whether a question's vector is compared with all; else by a graph, as Milvus sees fit.

    Raises:
        InputError: the server does not answer, or refuses.
    """
    layouts = {
        PASSAGES: _passages(dimension, exact=exact),
        TEXTS: _rows("number", DataType.INT64, {"text": LONGEST, "file": 64}, ["version", "file"]),
        DOCUMENTS: _rows(
            "key", DataType.VARCHAR, {"kind": 16, "document": 16, "facts": LONGEST}, ["document", "version"]
        ),
    }
    for name, (schema, indexes) in layouts.items():
        whole = f"{collection}_{name}"
        _make(
            partial(server.call, "has_collection", whole),
            partial(server.call, "create_collection", whole, schema=schema, consistency_level="Strong"),
        )
        for index in indexes:
            # Loading waits for all indexes; to wait for each of them here takes half a second.
            alone = MilvusClient.prepare_index_params()
            alone.append(index)
            _make(
                partial(server.call, "list_indexes", whole, index.field_name),
                partial(server.call, "create_index", whole, alone, sync=False),
            )


def _make(is_there: Callable[[], object], make: Callable[[], object]) -> None:
    """Make what is not there; another command may do so at the same time, and ours is refused then."""
    if not is_there():
        try:
            make()
        except InputError:
            if not is_there():
                raise


def _passages(dimension: int, *, exact: bool) -> tuple[Any, Any]:
    """What is searched: vectors by their inner product, and words by BM25."""
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("number", DataType.INT64, is_primary=True)
    schema.add_field("document", DataType.VARCHAR, max_length=16)
    for name in ("version", "start", "end"):
        schema.add_field(name, DataType.INT64)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dimension)
    analyzer = {"tokenizer": "standard"}
    schema.add_field(
        WORDS, DataType.VARCHAR, max_length=LONGEST, enable_analyzer=True, analyzer_params=analyzer
    )
    schema.add_field(WEIGHTS, DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(
        Function(
            name="bm25",
            function_type=FunctionType.BM25,
            input_field_names=[WORDS],
            output_field_names=[WEIGHTS],
        )
    )
    indexes = MilvusClient.prepare_index_params()
    indexes.add_index(VECTOR, index_type="FLAT" if exact else "AUTOINDEX", metric_type="IP")
    indexes.add_index(
        WEIGHTS,
        index_type="SPARSE_INVERTED_INDEX",
        metric_type="BM25",
        params={"bm25_k1": K1, "bm25_b": B},
    )
    indexes.add_index("version", index_type="INVERTED")
    return schema, indexes


def _rows(key: str, kind: Any, texts: dict[str, int], looked_up: list[str]) -> tuple[Any, Any]:
    """What is only read by its key, or by a field that is looked up."""
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    length = {"max_length": 64} if kind == DataType.VARCHAR else {}
    schema.add_field(key, kind, is_primary=True, **length)
    schema.add_field("version", DataType.INT64)
    for name, most in texts.items():
        schema.add_field(name, DataType.VARCHAR, max_length=most)
    schema.add_field("nothing", DataType.FLOAT_VECTOR, dim=len(NOTHING))
    indexes = MilvusClient.prepare_index_params()
    indexes.add_index("nothing", index_type="FLAT", metric_type="L2")
    for name in looked_up:
        indexes.add_index(name, index_type="INVERTED")
    return schema, indexes
