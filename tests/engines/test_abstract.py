"""The abstract engine: unknown dimensions, messages, and what asks for values."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tricorn import tree
from tricorn.engines import abstract as A
from tricorn.engines import contract, registry
from tricorn.engines.abstract import AbstractTensor, NeedsEngine

pytestmark = pytest.mark.engine_free


def t(*shape, dtype="float32"):
    return AbstractTensor(shape, dtype)


def described(result):
    return tree.map(lambda x: (x.shape, x.dtype), result)


def test_it_fulfils_the_contract():
    engine = registry.load("abstract")  # which validates it
    assert all(callable(getattr(engine, name)) for name in contract.PRIMITIVES)
    assert set(A.CAPABILITIES) <= set(contract.CAPABILITIES)


def test_no_tensor_library_is_imported():
    code = (
        "import sys; from tricorn.engines import abstract; "
        "print([m for m in ('jax', 'torch', 'tensorflow', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(eval(done.stdout)) <= {"numpy"}


# --------------------------------------------------------------------------- the contract's tables


@pytest.mark.parametrize("dtype", ["bool", "int32", "float32", "complex64", "string"])
@pytest.mark.parametrize("name", contract.RULES)
def test_rules_of_the_tables(name, dtype):
    """Each takes the kinds of dtypes that its table names, and gives what its table says."""
    table, takes = contract.RULES[name]
    x = t(2, None, 3, dtype=dtype)
    args = {"unary": (), "predicate": (), "binary": (x,), "comparison": (x,), "along": (0,),
            "order": (0,), "position": (0, False)}.get(table, ((0,), False))  # fmt: skip
    kinds = {"bool": ("bool",), "int32": ("integer",), "float32": ("floating",),
             "complex64": ("complex",), "string": ()}[dtype]  # fmt: skip
    others = {"numeric or bool": ("string",), "numeric": ("string", "bool")}
    numeric = takes in others and dtype not in others[takes]
    if not numeric and not set(kinds) & set(takes.split(" or ")):
        with pytest.raises(TypeError, match=f"^{name}: the dtype must be {takes}, got {dtype}"):
            getattr(A, name)(x, *args)
        return
    found = getattr(A, name)(x, *args)
    gives = {"predicate": "bool", "comparison": "bool", "order": "int32", "position": "int32"}
    real = "float32" if name == "abs" and dtype == "complex64" else dtype
    assert found.dtype == gives.get(table, real)
    reduced = table in ("reduction", "choice", "position")
    assert found.shape == ((None, 3) if reduced else (2, None, 3))


# ------------------------------------------------------------------------------- unknown dimensions


@pytest.mark.parametrize(
    "name, args, expected",
    [
        ("add", (t(None, 3), t(1, 3)), (None, 3)),
        ("add", (t(None, 3), t(5, 3)), (5, 3)),
        ("add", (t(None, 3), t(None, 1)), (None, 3)),
        ("add", (t(None), t(2, 1)), (2, None)),
        ("add", (t(None, 3), 1.0), (None, 3)),
        ("sum", (t(None, 3), (1,), False), (None,)),
        ("sum", (t(None, 3), (0,), True), (1, 3)),
        ("reshape", (t(None, 3, 4), (None, 12)), (None, 12)),
        ("reshape", (t(None, 3, 4), (None, -1)), (None, 12)),
        ("reshape", (t(None, 3, 4), (-1, 4)), (None, 4)),
        ("reshape", (t(None, 3, 4), (-1, 12)), (None, 12)),
        ("reshape", (t(None, 4), (2, 8)), (2, 8)),
        ("reshape", (t(None, None, 4), (None, -1)), (None, None)),
        ("reshape", (t(None, None, 4), (None, None, 2, -1)), (None, None, 2, 2)),
        ("reshape", (t(5, 3), (None, 3, 1)), (5, 3, 1)),
        ("broadcast_to", (t(1, 3), (None, 3)), (None, 3)),
        ("broadcast_to", (t(None, 3), (4, 3)), (4, 3)),
        ("concatenate", ((t(None, 3), t(2, 3)), 0), (None, 3)),
        ("concatenate", ((t(None, 3), t(2, 4)), 1), (2, 7)),
        ("stack", ((t(None, 3), t(2, None)), 1), (2, 2, 3)),
        ("slice", (t(None, 5), (slice(None), 0)), (None,)),
        ("slice", (t(None, 5), (slice(0, 1),)), (None, 5)),
        ("slice", (t(None, 5), (3, None, Ellipsis)), (1, 5)),
        ("pad", (t(None, 3), ((0, 0), (1, 1)), "constant", 0), (None, 5)),
        ("repeat", (t(None, 3), 2, 0), (None, 3)),
        ("repeat", (t(None, 3), (1, 2, 0), 0), (3, 3)),
        ("take", (t(9, 4), t(None, 7, dtype="int32"), 0), (None, 7, 4)),
        ("take_along_axis", (t(None, 4), t(3, 1, dtype="int32"), 1), (3, 1)),
        ("scatter", (t(None, 4), t(5, None, dtype="int32"), t(5, 4), "add"), (None, 4)),
        ("matmul", (t(None, 3), t(3, 4)), (None, 4)),
        ("matmul", (t(None, 2, 3), t(5, 3, 4)), (5, 2, 4)),
        ("einsum", ("bij,bjk->bik", (t(None, 2, 3), t(None, 3, 4))), (None, 2, 4)),
        ("einsum", ("...i,ij->...j", (t(None, 7, 3), t(3, 4))), (None, 7, 4)),
        ("arange", (0, t(dtype="int32"), 1, "int32"), (None,)),
        ("nonzero", (t(3, 4),), None),
        ("uniform", (t(2, dtype="int32"), (None, 3), "float32"), (None, 3)),
    ],
)
def test_unknown_dimensions_propagate(name, args, expected):
    result = getattr(A, name)(*args)
    if expected is None:
        assert described(result) == (((None,), "int32"), ((None,), "int32"))
    else:
        assert result.shape == expected


def test_windows_of_unknown_lengths():
    x, kernel = t(None, None, 8, 3), t(3, 3, 3, 16)
    no_padding = ((0, 0), (0, 0))
    assert A.conv(x, kernel, (1, 2), no_padding, (1, 1), 1, True).shape == (None, None, 3, 16)
    last = t(3, 3, 16, 3)
    turned = A.conv_transpose(x, last, (2, 2), ((2, 2), (2, 2)), (1, 1), True)
    assert turned.shape == (None, None, 17, 16)
    assert A.max_pool(x, (2, 2), (2, 2), no_padding, True).shape == (None, None, 4, 3)
    first = t(None, 3, None, 8)
    assert A.average_pool(first, (2, 2), (2, 2), no_padding, False).shape == (None, 3, None, 4)
    assert A.resize(x, (5, 6), "nearest", True, False).shape == (None, 5, 6, 3)


# ----------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize(
    "name, args, message",
    [
        ("matmul", (t(2, 3), t(4, 5)),
         "matmul: the inner dimensions differ: (2, 3) x (4, 5), 3 against 4"),
        ("add", (t(2, 3), t(4, 3)),
         "add: the shapes (2, 3) and (4, 3) do not broadcast: axis -2 has the lengths 2 and 4"),
        ("where", (t(2, dtype="bool"), t(3), t(3)), "where: the shapes (2,) and (3,) and (3,) do"),
        ("reshape", (t(2, 3), (4, -1)),
         "reshape: the shape (2, 3) does not fit into (4, -1): 6 elements into a multiple of 4"),
        ("reshape", (t(None, 4), (2, 7)), "a multiple of 4 elements into 14"),
        ("reshape", (t(4), (2, None)), "keeps an axis that the shape (4,) lacks"),
        ("squeeze", (t(2, 3), (0,)), "squeeze: axis 0 of the shape (2, 3) is longer than 1"),
        ("transpose", (t(2, 3), (0, 0)), "transpose: (0, 0) is not a permutation"),
        ("broadcast_to", (t(2, 3), (2, 1)), "broadcast_to: the shape (2, 3) cannot become (2, 1)"),
        ("concatenate", ((t(2, 3), t(3, 4)), 0),
         "concatenate: shapes may differ along axis 0 only, got (2, 3), (3, 4)"),
        ("stack", ((t(2), t(3)), 0), "stack: one shape expected, got (2,), (3,)"),
        ("pad", (t(2, 3), ((2, 0), (0, 0)), "reflect", 0),
         "pad: mode 'reflect' adds at most 1 elements to a side of axis 0 of the shape (2, 3)"),
        ("repeat", (t(3), (1, 2), 0), "repeat: 2 counts for the 3 elements along axis 0"),
        ("top_k", (t(2, 3), 4), "top_k: k=4 exceeds the length of the last axis of (2, 3)"),
        ("dynamic_slice", (t(2, 3), (0, 0), (3, 3)), "the block (3, 3) is larger than the shape"),
        ("update_slice", (t(2, 3), (0,), t(1, 1)), "1 start indices and a block (1, 1)"),
        ("scatter", (t(4, 3), t(2, 1, dtype="int32"), t(2, 2), "add"),
         "scatter: updates of shape (2, 3) expected, got (2, 2)"),
        ("einsum", ("ij,jk->ik", (t(2, 3), t(4, 5))), "index 'j'"),
        ("einsum", ("ij->i", (t(2, 3, 4),)), "'ij' of 'ij->i' does not fit the shape (2, 3, 4)"),
        ("einsum", ("i->k", (t(2),)), "the index 'k' of the result is in no input"),
        ("cholesky", (t(2, 3),), "cholesky: square matrices (..., n, n) expected"),
        ("solve", (t(3, 3), t(2, 1)), "solve: a (3, 3) needs b of shape (..., n, k), got (2, 1)"),
        ("conv", (t(1, 8, 8, 3), t(3, 3, 4, 2), (1, 1), ((0, 0),) * 2, (1, 1), 1, True),
         "has 3 channels, the kernel (3, 3, 4, 2) with groups=1 is for 4"),
        ("conv", (t(1, 2, 8, 3), t(3, 3, 3, 2), (1, 1), ((0, 0),) * 2, (1, 1), 1, True),
         "conv: the window does not fit: spatial axis 0 of (2, 8) has the length 2"),
        ("conv", (t(1, 8, 3), t(3, 3, 3, 2), (1, 1), ((0, 0),) * 2, (1, 1), 1, True),
         "conv: a 4-D input (batch, *spatial, channels) expected, got (1, 8, 3)"),
        ("max_pool", (t(1, 3, 4), (5,), (1,), ((0, 0),), False), "max_pool: the window does not"),
        ("max", (t(0, 3), (0,), False), "max: nothing to choose from along axes (0,) of (0, 3)"),
        ("clip", (t(3), t(2), 1.0), "clip: scalar bounds expected"),
        ("uniform", (t(3, dtype="int32"), (2,), "float32"), "an int32 tensor of shape (2,)"),
    ],
)  # fmt: skip
def test_wrong_shapes_are_explained(name, args, message):
    with pytest.raises(ValueError) as caught:
        getattr(A, name)(*args)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "name, args, message",
    [
        ("add", (t(2), t(2, dtype="int32")), "one dtype expected, got float32 and int32"),
        ("sqrt", (t(2, dtype="int32"),), "sqrt: the dtype must be floating or complex, got int32"),
        ("bitwise_and", (t(2), t(2)), "bitwise_and: the dtype must be integer"),
        ("logical_or", (t(2), t(2)), "logical_or: the dtype must be bool, got float32"),
        ("take", (t(2), t(2), 0), "take (indices): the dtype must be integer"),
        ("bitcast", (t(2), "int64"), "bitcast: float32 and int64 differ in width"),
        ("fft", (t(2),), "fft: the dtype must be complex"),
    ],
)
def test_wrong_dtypes_are_explained(name, args, message):
    with pytest.raises(TypeError) as caught:
        getattr(A, name)(*args)
    assert message in str(caught.value)


def test_an_index_out_of_range():
    with pytest.raises(IndexError, match="index 5 is outside of axis 1"):
        A.slice(t(2, 3), (0, 5))
    with pytest.raises(IndexError, match="3 indices for the shape"):
        A.slice(t(2, 3), (0, 0, 0))


# -------------------------------------------------------------------------------- asking for values


def ask_numpy(x):
    return np.asarray(x)


def ask_numpy_function(x):
    return np.concatenate([x, x])


def ask_if(x):
    return 1 if x else 2


@pytest.mark.parametrize(
    "ask",
    [ask_numpy, ask_numpy_function, ask_if, float, int, complex, range, A.numpy, list, len],
)
def test_values_are_refused(ask):
    x = t(None, 3) if ask in (list, len) else t()
    with pytest.raises(NeedsEngine, match="has only a shape and a dtype"):
        ask(x)


def test_methods_of_other_tensors_are_refused_but_can_be_asked_for():
    assert not hasattr(t(2), "mean")
    with pytest.raises(NeedsEngine, match="the attribute .mean"):
        t(2).mean()
    with pytest.raises(AttributeError):
        t(2).mean()


@pytest.mark.parametrize(
    "library, call",
    [
        ("jax.numpy", lambda jnp, x: jnp.sin(x)),
        ("jax.numpy", lambda jnp, x: jnp.asarray(x)),
        ("torch", lambda torch, x: torch.sin(x)),
        ("torch", lambda torch, x: torch.cat([x, x])),
        ("tensorflow", lambda tf, x: tf.sin(x)),
    ],
)
def test_functions_of_other_libraries_are_refused(library, call):
    with pytest.raises(Exception) as caught:  # TensorFlow wraps it
        call(pytest.importorskip(library), t(2))
    assert A.needs_engine(caught.value) is not None


def test_the_tensor_itself():
    x = t(None, 3)
    assert (x.ndim, x.size, t(2, 3).size, t(0, None).size) == (2, None, 6, 0)
    assert repr(x) == "<AbstractTensor shape=(None, 3) dtype=float32>"
    assert [row.shape for row in t(2, 3)] == [(3,), (3,)]
    assert len(t(2, 3)) == 2
    for twin in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert (twin.shape, twin.dtype) == (x.shape, x.dtype)
    assert x == x
    assert x != t(None, 3)  # identity: tensors are keys of dicts


# ------------------------------------------------------------------------------ control, transforms


def test_cond_says_how_the_branches_differ():
    pred = t(dtype="bool")
    found = A.cond(pred, lambda x: {"a": x}, lambda x: {"a": t(2, 3)}, (t(None, 3),))
    assert described(found) == {"a": ((2, 3), "float32")}
    with pytest.raises(ValueError, match=r"at \['a'\]: float32 \(2, 3\) and int32 \(2, 3\)"):
        A.cond(pred, lambda: {"a": t(2, 3)}, lambda: {"a": t(2, 3, dtype="int32")}, ())
    with pytest.raises(ValueError, match="different structures"):
        A.cond(pred, lambda: [t(2)], lambda: t(2), ())
    with pytest.raises(ValueError, match="scalar bool"):
        A.cond(t(2, dtype="bool"), lambda: t(2), lambda: t(2), ())


def test_loops_keep_the_shape_of_what_they_carry():
    i = t(dtype="int32")
    state = A.while_loop(lambda i, x: A.less(i, 3), lambda i, x: (A.add(i, 1), x), (i, t(2)))
    assert described(state) == (((), "int32"), ((2,), "float32"))
    with pytest.raises(ValueError, match="the state and what body returns differ"):
        A.while_loop(lambda x: t(dtype="bool"), lambda x: (t(3),), (t(2),))

    def body(carry, x):
        return carry, A.matmul(x, carry)

    carry, ys = A.scan(body, t(3, 4), t(7, None, 3), None, False)
    assert (carry.shape, ys.shape) == ((3, 4), (7, None, 4))
    with pytest.raises(ValueError, match="the leading axes differ"):
        A.scan(body, t(3, 4), [t(7, 3), t(8, 3)], None, False)
    with pytest.raises(ValueError, match="the carry and what body returns"):
        A.scan(lambda c, x: (t(9), None), t(3), None, 2, False)


def test_vmap_takes_and_adds_the_axis():
    found = A.vmap(lambda x, y: (A.matmul(x, y), y), (1, None), (0, None))(t(2, 5, 3), t(3, 4))
    assert described(found) == (((5, 2, 4), "float32"), ((3, 4), "float32"))
    with pytest.raises(ValueError, match="different lengths"):
        A.vmap(lambda x, y: x, 0, 0)(t(2), t(3))


def test_derivatives_have_the_shapes_of_what_they_belong_to():
    out, pullback, aux = A.vjp(lambda p, x: (A.matmul(x, p["w"]), [x]), ({"w": t(3, 4)}, t(2, 3)))
    assert (out.shape, aux[0].shape) == ((2, 4), (2, 3))
    assert described(pullback(out)) == ({"w": ((3, 4), "float32")}, ((2, 3), "float32"))
    with pytest.raises(ValueError, match="the cotangent and the output differ"):
        pullback(t(2, 5))
    out, tangent = A.jvp(lambda x: A.sum(x, (0,), False), (t(2, 3),), (t(2, 3),))
    assert out.shape == tangent.shape == (3,)


def test_steps_must_keep_the_state():
    run = A.compile(lambda state, x: (A.add(x, state[0]), [x]), False)
    assert run([t(2)], t(2))[0].shape == (2,)
    with pytest.raises(ValueError, match="the state and the new state differ"):
        run([t(2)], t(2, 2))
    loop = A.compile(lambda state, i, x: (i, state), True)
    assert loop([t(2)], 0, 9, t(2))[0].dtype == "int32"


# --------------------------------------------------------------------------------------- properties

shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


def masked(draw, shape):
    """`shape` with some dimensions unknown."""
    return tuple(draw(st.sampled_from([n, None])) for n in shape)


def agrees(inferred, real):
    return len(inferred) == len(real) and all(m in (None, n) for m, n in zip(inferred, real))


@settings(max_examples=200, deadline=None)
@given(shapes, shapes, st.data())
def test_broadcasting_is_numpys(left, right, data):
    try:
        expected = np.broadcast_shapes(left, right)
    except ValueError:
        with pytest.raises(ValueError, match="do not broadcast"):
            A.add(t(*left), t(*right))
        return
    assert A.add(t(*left), t(*right)).shape == expected
    unknown = A.add(t(*masked(data.draw, left)), t(*masked(data.draw, right)))
    assert agrees(unknown.shape, expected)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 6), max_size=4), st.lists(st.integers(1, 6), max_size=4), st.data())
def test_reshaping_is_numpys(source, target, data):
    wanted = list(target)
    if target and data.draw(st.booleans()):
        wanted[data.draw(st.integers(0, len(target) - 1))] = -1
    try:
        expected = np.empty(source).reshape(wanted).shape
    except ValueError:
        with pytest.raises(ValueError, match="does not fit"):
            A.reshape(t(*source), tuple(wanted))
        return
    assert A.reshape(t(*source), tuple(wanted)).shape == expected
    assert agrees(A.reshape(t(*masked(data.draw, source)), tuple(wanted)).shape, expected)


@settings(max_examples=200, deadline=None)
@given(shapes, st.data())
def test_indexing_is_numpys(shape, data):
    bound = st.one_of(st.none(), st.integers(-6, 6))
    parts = st.one_of(
        st.integers(-5, 5),
        st.none(),
        st.just(Ellipsis),
        st.builds(slice, bound, bound, st.one_of(st.none(), st.sampled_from([-2, -1, 1, 2]))),
    )
    key = tuple(data.draw(st.lists(parts, max_size=len(shape) + 2)))
    assume(key.count(Ellipsis) <= 1)
    try:
        expected = np.empty(shape)[key].shape
    except IndexError:
        with pytest.raises(IndexError):
            A.slice(t(*shape), key)
        return
    assert A.slice(t(*shape), key).shape == expected
    assert agrees(A.slice(t(*masked(data.draw, shape)), key).shape, expected)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 6), st.integers(0, 6)), min_size=1,
             max_size=3),
    st.sampled_from(["constant", "reflect", "symmetric"]),
)  # fmt: skip
def test_padding_is_numpys(axes, mode):
    shape = tuple(n for n, _, _ in axes)
    pads = tuple((a, b) for _, a, b in axes)
    room = {"constant": 99, "reflect": -1, "symmetric": 0}[mode]
    if all(max(a, b) <= n + room for n, a, b in axes):
        assert A.pad(t(*shape), pads, mode, 0).shape == np.pad(np.empty(shape), pads, mode).shape
    else:  # NumPy reflects again and again; engines do not
        with pytest.raises(ValueError, match="adds at most"):
            A.pad(t(*shape), pads, mode, 0)


@settings(max_examples=200, deadline=None)
@given(*[st.integers(1, 12), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3)],
       st.integers(0, 4), st.integers(0, 4))  # fmt: skip
def test_windows_are_counted(length, window, stride, dilation, before, after):
    padded, reach = before + length + after, (window - 1) * dilation + 1
    positions = len(range(0, padded - reach + 1, stride))
    x, kernel = t(1, length, 2), t(window, 2, 3)
    args = (stride,), ((before, after),), (dilation,)
    if positions == 0:
        with pytest.raises(ValueError, match="the window does not fit"):
            A.conv(x, kernel, *args, 1, True)
        return
    assert A.conv(x, kernel, *args, 1, True).shape == (1, positions, 3)
    if dilation == 1:
        pooled = A.max_pool(x, (window,), *args[:2], True)
        assert pooled.shape == (1, positions, 2)
    # The transpose undoes the counting, but for what the stride left over.
    left = (padded - reach) % stride
    back = ((reach - 1 - before, reach - 1 - after + left),)
    y, turned = t(1, positions, 3), t(window, 2, 3)
    assert A.conv_transpose(y, turned, (stride,), back, (dilation,), True).shape == (1, length, 2)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), shapes, shapes)
def test_matmul_is_numpys(m, k, n, left, right):
    try:
        expected = np.matmul(np.empty((*left, m, k)), np.empty((*right, k, n))).shape
    except ValueError:
        with pytest.raises(ValueError):
            A.matmul(t(*left, m, k), t(*right, k, n))
        return
    assert A.matmul(t(*left, m, k), t(*right, k, n)).shape == expected
