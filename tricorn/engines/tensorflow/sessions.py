"""The sessions that run a plain ``tf.Graph``: which one is meant now, and that in it every variable
has a value."""

from __future__ import annotations

import weakref
from typing import Any

import tensorflow as tf

from tricorn.engines import registry

v1 = tf.compat.v1


class Sessions:
    """The sessions of one graph.

    The one in use is the default session (``with session:``) if it is this graph's, else the one
    that was set, else one of our own, made when first needed.  What is new is initialized whenever
    a session is asked for.  In a session of the user's the graph's Variables are initialized as
    soon as they are made, so that it can run them without asking.
    """

    def __init__(self, graph: tf.Graph) -> None:
        self.graph = graph
        self._set: Any = None
        self._made_here: Any = None
        #: session -> how many of the graph's variables were seen to
        self._seen: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def get(self) -> Any:
        """The session in use, in which all variables of the graph have values now."""
        session = self._of_user()
        if session is None:
            if self._made_here is None:
                self._made_here = v1.Session(graph=self.graph)
            session = self._made_here
        known, seen = self._known(), self._seen.get(session, 0)
        if seen != len(known):
            self._initialize(session, known[seen:] if seen < len(known) else known)
            self._seen[session] = len(known)
        return session

    def set(self, session: Any) -> None:
        """Use `session` where no session of this graph is the default one; None: one of our own."""
        self._set = session
        if session is not None:
            self._initialize(session, [v for v in self._known() if _is_ours(v)])

    def made(self, handle: tf.Variable) -> None:
        """A variable of ours is new: a session of the user's gets its value."""
        session = self._of_user()
        if session is not None and not registry.manual_initialization:
            session.run(handle.initializer)

    def _of_user(self) -> Any:
        session = v1.get_default_session()
        if session is not None and session.graph is self.graph:
            return session
        if self._set is not None and self._set._closed:
            self._set = None
        return self._set

    def _known(self) -> list:
        """The graph's variables, the user's too, in the order in which they were made."""
        return self.graph.get_collection(v1.GraphKeys.GLOBAL_VARIABLES)

    def _initialize(self, session: Any, variables: list) -> None:
        """Give a value to those of the variables that have none in `session`."""
        if registry.manual_initialization or not variables:
            return
        if self.graph.finalized:
            variables = [v for v in variables if _is_ours(v)]
        with self.graph.as_default(), tf.control_dependencies(None):
            has_value = session.run([_has_value(v) for v in variables])
        session.run([v.initializer for v, has in zip(variables, has_value) if not has])


def _is_ours(variable: Any) -> bool:
    return hasattr(variable, "_tricorn_initialized")


def _has_value(variable: Any) -> tf.Tensor:
    """Whether a variable is initialized; ours carry the operation that tells."""
    return (
        variable._tricorn_initialized
        if _is_ours(variable)
        else v1.is_variable_initialized(variable)
    )
