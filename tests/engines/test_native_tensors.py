"""Layers, losses and metrics on the engine's own tensors, in the framework's own transforms, and
with its own optimizers."""

import copy
import io
from pathlib import Path

import numpy as np
import pytest

import tricorn as keras
from tests.engines.cases import floats
from tests.oracle import array, close
from tricorn import layers, losses, metrics, ops
from tricorn.engines import EngineError, known, registry


def model(dropout=0.0):
    keras.utils.set_random_seed(4)
    x = keras.Input((6,))
    y = layers.BatchNormalization()(layers.Dense(8, activation="relu")(x))
    made = keras.Model(x, layers.Dense(2)(layers.Dropout(dropout)(y)))
    made.set_weights([w + 0.1 * np.arange(w.size).reshape(w.shape) for w in made.get_weights()])
    return made


def expected(x):
    """`model` outside of training, in NumPy."""
    kernel, bias, gamma, beta, mean, variance, last, last_bias = model().get_weights()
    y = np.maximum(x @ kernel + bias, 0)
    y = (y - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    return y @ last + last_bias


ROOT = Path(__file__).parents[2]
X = floats(16, 6)
Y = floats(16, 2)

# ----------------------------------------------------------------------------- in and out, eagerly


def native(engine, value):
    return engine.tensor(value, value.dtype.name)


def test_tensors_go_in_and_come_out(engine):
    x, y = native(engine, X), native(engine, Y)
    for result in (
        model()(x),
        layers.Dense(3)(x),
        losses.MeanSquaredError()(y, x[:, :2]),
        losses.Huber()(Y, x[:, :2]),
        metrics.MeanAbsoluteError()(y, x[:, :2]),
        ops.softmax(x),
    ):
        assert engine.is_tensor(result)
        assert isinstance(result, engine.TENSOR_TYPES)
    close(model()(x), expected(X))


def test_nested_tensors_go_in(engine):
    x = native(engine, X)
    found = layers.Concatenate()([x, X])
    close(found, np.concatenate([X, X], 1))
    assert engine.is_tensor(found)


@pytest.mark.parametrize("name", ["jax", "tensorflow", "torch", "examples.numpy_engine"])
def test_tensors_of_other_engines_are_converted(engine, name, monkeypatch):
    if name != engine.name and name in known.available() and name not in known.installed():
        pytest.skip(f"{name} is not installed")
    monkeypatch.syspath_prepend(str(ROOT))
    x = native(registry.load(name), X)
    for result in (
        model()(x),
        ops.add(x, 1.0),
        ops.concatenate([X, x]),
        losses.mean_squared_error(x, X),
    ):
        assert engine.is_tensor(result)
    close(model()(x), expected(X))
    variable = keras.Variable(np.zeros_like(X))
    variable.assign(x)
    close(variable, X)
    close(keras.Variable(x), X)


@pytest.mark.engine("jax", "tensorflow")
def test_a_torch_gradient_is_not_lost(engine):
    torch = pytest.importorskip("torch")
    x = torch.tensor(X, requires_grad=True)
    for call in (
        lambda: model()(x),
        lambda: ops.exp(x),
        lambda: losses.mean_squared_error(Y, x[:, :2]),
    ):
        with pytest.raises(TypeError, match=r'with tricorn\.engine\("torch"\)'):
            call()
    with registry.use("torch"):
        model()(x).sum().backward()
    assert x.grad is not None
    close(model()(x.detach()), expected(X))


@pytest.mark.engine("jax", "torch")
def test_a_tensorflow_gradient_is_not_lost(engine):
    tf = pytest.importorskip("tensorflow")
    v = tf.Variable(X)
    with tf.GradientTape():
        with pytest.raises(TypeError, match=r'with tricorn\.engine\("tensorflow"\)'):
            ops.exp(v)
        with pytest.raises(TypeError, match=r'with tricorn\.engine\("tensorflow"\)'):
            ops.exp(v * 2.0)
    with pytest.raises(TypeError, match=r'with tricorn\.engine\("tensorflow"\)'):
        tf.function(lambda x: ops.exp(x))(tf.constant(X))
    close(ops.exp(v), np.exp(X))


@pytest.mark.engine("torch", "tensorflow")
def test_a_jax_trace_is_not_left(engine):
    import jax

    with pytest.raises(TypeError, match=r'with tricorn\.engine\("jax"\)'):
        jax.jit(lambda x: ops.exp(x))(X)


# ----------------------------------------------------------------------------------- native handles


def test_native_variables_are_the_state(engine):
    made = model()
    kernel = made.layers[1].kernel
    handle = kernel.native()
    assert not isinstance(handle, keras.Variable)
    close(array(engine.read(handle)), kernel)
    kernel.assign(kernel * 2.0)
    spare = engine.variable(np.zeros(1, "float32"), "float32", True, "spare")
    if engine.write(spare, np.ones(1, "float32")) is spare:  # handles that stay
        assert kernel.native() is handle
        close(array(engine.read(handle)), kernel)
    made.compile("sgd", "mse")
    made.fit(X, Y, verbose=0)
    close(array(engine.read(kernel.native())), kernel)
    engine.numpy(engine.read(handle))  # what was handed out is not consumed by training


def test_as_module_needs_weights():
    with pytest.raises(ValueError, match="'later' is not built yet.*call it once"):
        layers.Dense(2, name="later").as_module()


@pytest.mark.engine("jax")
def test_an_engine_without_modules(engine):
    with pytest.raises(EngineError, match="'jax' has no modules.*torch.*stateless_call"):
        model().as_module()


@pytest.mark.engine("tensorflow")
def test_the_strategy_in_force():
    """What KerasTuner asks models for, to save them."""
    import tensorflow as tf

    assert model().distribute_strategy is tf.distribute.get_strategy()


# --------------------------------------------------------------------------------------------- JAX


@pytest.mark.engine("jax")
class TestJax:
    def test_the_users_jit(self):
        import jax

        made = model()
        close(jax.jit(lambda x: made(x))(X), expected(X))
        close(jax.vmap(lambda x: made(x[None])[0])(X), expected(X))
        close(jax.jit(made)(X), expected(X))

    def test_what_is_first_used_in_a_jit_lives_on(self):
        import jax

        layer = layers.Dense(3)
        first = jax.jit(lambda x: layer(x))(X)  # builds
        close(layer(X), first)
        made = model()
        if "torch" in known.installed():
            with registry.use("torch"):
                made(X)
            jax.jit(lambda x: made(x))(X)  # takes the weights over
        close(made(X), expected(X))

    @pytest.mark.parametrize("transform", ["jit", "grad", "vmap"])
    @pytest.mark.parametrize("layer", ["batch_normalization", "dropout"])
    def test_assignments_in_the_users_transforms_are_refused(self, transform, layer):
        import jax

        made = layers.BatchNormalization() if layer != "dropout" else layers.Dropout(0.5)
        made(X)
        before = [v.numpy() for v in made.variables]
        call = {
            "jit": lambda: jax.jit(lambda x: made(x, training=True))(X),
            "grad": lambda: jax.jit(jax.grad(lambda x: ops.sum(made(x, training=True))))(X),
            "vmap": lambda: jax.jit(jax.vmap(lambda x: made(x[None], training=True)))(X),
        }[transform]
        with pytest.raises(RuntimeError, match=r"(moving_mean|seed).*stateless_call"):
            call()
        for variable, value in zip(made.variables, before):
            np.testing.assert_array_equal(variable.numpy(), value)  # no tracer leaked

    def test_metrics_in_the_users_jit_are_refused(self):
        import jax

        metric = metrics.MeanSquaredError()
        with pytest.raises(RuntimeError, match="stateless"):
            jax.jit(lambda x: metric(x, x))(X)
        assert float(metric(X, X)) == 0

    @pytest.mark.parametrize("training", [False, True])
    def test_stateless_calls_are_pure(self, training):
        import jax

        made = model(0.5)
        trained = [v.value for v in made.trainable_variables]
        others = [v.value for v in made.non_trainable_variables]

        def call(trained, others, x):
            return made.stateless_call(trained, others, x, training=training)

        before = made.get_weights()
        outputs, after = call(trained, others, X)
        jitted, jitted_after = jax.jit(call)(trained, others, X)
        close(jitted, outputs)
        for a, b in zip(after, jitted_after, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)
        for a, b in zip(before, made.get_weights()):
            np.testing.assert_array_equal(a, b)
        changed = [bool(np.any(np.asarray(a) != np.asarray(b))) for a, b in zip(others, after)]
        assert all(changed) == training
        assert any(changed) == training

    def test_vmap_of_a_stateless_call_in_training(self):
        import jax

        made = model()
        trained = [v.value for v in made.trainable_variables]
        others = [v.value for v in made.non_trainable_variables]
        batches = X.reshape(4, 4, 6)

        def call(x):
            return made.stateless_call(trained, others, x, training=True)

        outputs, after = jax.vmap(call)(batches)
        for i, batch in enumerate(batches):
            one, state = call(batch)
            close(outputs[i], one)
            for many, single in zip(after, state):
                np.testing.assert_allclose(many[i], single, rtol=1e-5)

    def test_gradients_are_those_of_our_own(self):
        import jax

        made = model()
        others = [v.value for v in made.non_trainable_variables]

        def loss(trained):
            outputs, after = made.stateless_call(trained, others, X, training=True)
            return ops.mean(ops.square(outputs - Y)), after

        trained = [v.value for v in made.trainable_variables]
        theirs, _ = jax.grad(loss, has_aux=True)(trained)
        ours = keras.grad(
            lambda: ops.mean(ops.square(made(X, training=True) - Y)), made.trainable_variables
        )()
        for a, b in zip(theirs, ours, strict=True):
            close(a, b)

    def test_an_optax_loop(self):
        import jax

        optax = pytest.importorskip("optax")
        made = model(0.2)
        optimizer = optax.adam(0.02)
        trained = {v.path: v.value for v in made.trainable_variables}
        others = [v.value for v in made.non_trainable_variables]
        state = optimizer.init(trained)

        @jax.jit
        def step(trained, others, state):
            def loss(trained):
                outputs, after = made.stateless_call(trained, others, X, training=True)
                return ops.mean(ops.square(outputs - Y)), after

            (value, others), grads = jax.value_and_grad(loss, has_aux=True)(trained)
            updates, state = optimizer.update(grads, state)
            return optax.apply_updates(trained, updates), others, state, value

        found = []
        for _ in range(60):
            trained, others, state, value = step(trained, others, state)
            found.append(float(value))
        assert found[-1] < found[0] / 3
        by_path = {v.path: v for v in made.trainable_variables}
        for path, value in trained.items():
            by_path[path].assign(value)
        for variable, value in zip(made.non_trainable_variables, others):
            variable.assign(value)
        outputs, _ = made.stateless_call(trained, others, X)
        close(made(X), outputs)

    def test_values_of_a_stateless_call_are_checked(self):
        made = model()
        with pytest.raises(ValueError, match="has 6 variables, got 1"):
            made.stateless_call([X], [], X)
        with pytest.raises(ValueError, match="has the variables .*dense.*, got .*'a'"):
            made.stateless_call({"a": X}, [], X)


# ------------------------------------------------------------------------------------------- torch


@pytest.mark.engine("torch")
class TestTorch:
    def test_gradients_of_native_parameters(self):
        import torch

        made, x = model(), torch.tensor(X, requires_grad=True)
        parameters = [v.native() for v in made.trainable_variables]
        assert all(isinstance(p, torch.nn.Parameter) for p in parameters)
        (made(x, training=True) - torch.tensor(Y)).square().mean().backward()
        ours = keras.grad(
            lambda: losses.mean_squared_error(Y.ravel(), ops.ravel(made(X, training=True))),
            made.trainable_variables,
        )()
        for parameter, gradient in zip(parameters, ours, strict=True):
            close(parameter.grad, gradient)
        assert x.grad.abs().sum() > 0

    def test_a_module(self):
        import torch

        torch.manual_seed(1)
        made = model(0.5)
        module = made.as_module()
        assert len(list(module.parameters())) == 6
        assert {k.split(".")[-1] for k, _ in module.named_buffers()} == {
            "moving_mean", "moving_variance", "seed_generator_state",
        }  # fmt: skip
        for handle, variable in zip(module.parameters(), made.trainable_variables):
            assert handle is variable.native()
        net = torch.nn.Sequential(module, torch.nn.Linear(2, 1))
        moving = made.layers[2].moving_mean
        before, optimizer, found = moving.numpy(), torch.optim.Adam(net.parameters(), 0.02), []
        for _ in range(60):
            optimizer.zero_grad()
            loss = (net(torch.tensor(X)) - torch.tensor(Y[:, :1])).square().mean()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        assert np.mean(found[-10:]) < 0.75 * np.mean(found[:5])  # dropout makes single ones jump
        assert (moving.numpy() != before).any()
        close(dict(net.named_buffers())[f"0.{moving.path.replace('/', '.')}"], moving)
        net.eval()
        torch.testing.assert_close(net(torch.tensor(X)), net(torch.tensor(X)), rtol=0, atol=0)
        close(net[0](torch.tensor(X)), made.predict(X, verbose=0))
        net.train()
        assert (net(torch.tensor(X)) != net(torch.tensor(X))).any()

    def test_state_dicts(self):
        import torch

        made, other = model(), model()
        other.set_weights([w * 3.0 for w in other.get_weights()])
        module, twin = made.as_module(), other.as_module()
        file = io.BytesIO()
        torch.save(twin.state_dict(), file)
        file.seek(0)
        names = dict(zip(twin.state_dict(), module.state_dict()))
        module.load_state_dict({names[k]: v for k, v in torch.load(file).items()})
        for a, b in zip(made.get_weights(), other.get_weights()):
            np.testing.assert_array_equal(a, b)
        values = {k: v.clone() * 0 for k, v in module.state_dict().items()}
        module.load_state_dict(values, assign=True)  # even so the handles stay the Variables'
        assert not any(w.any() for w in made.get_weights())
        assert module.state_dict().keys() == values.keys()
        for place, variable in zip(module.parameters(), made.trainable_variables):
            assert place is variable.native()

    def test_what_another_engine_did_is_in_the_state_dict(self):
        made = model()
        module = made.as_module()
        with registry.use("jax"):
            made.compile("sgd", "mse")
            made.fit(X, Y, verbose=0)
            trained = {v.path.replace("/", "."): v.numpy() for v in made.variables}
        found = module.state_dict()
        assert found.keys() == trained.keys()
        for name, value in found.items():
            np.testing.assert_array_equal(value, trained[name])

    def test_copies_and_pickles_have_their_own_weights(self):
        import torch

        module = model().as_module().eval()
        for other in (copy.deepcopy(module), torch.nn.Sequential(module)):
            assert not (other[0] if isinstance(other, torch.nn.Sequential) else other).training
        twin = copy.deepcopy(module)
        assert twin.layer is not module.layer
        with torch.no_grad():
            for parameter in twin.parameters():
                parameter.zero_()
        close(twin(torch.tensor(X)), np.zeros((16, 2)) + twin.layer.get_weights()[-1])
        close(module(torch.tensor(X)), expected(X))

    def test_devices_and_dtypes_of_modules(self):
        module = model().as_module()
        handles = list(module.parameters())
        assert all(a is b for a, b in zip(module.to("cpu").parameters(), handles, strict=True))
        with pytest.raises(TypeError, match="computes in its own dtype.*dtype="):
            module.double()

    def test_functional_calls(self):
        import torch
        from torch.func import functional_call, grad, vmap

        made, x = model(), torch.tensor(X)
        module = made.as_module()
        state = {k: v.detach().clone() for k, v in module.named_parameters()}
        before = made.get_weights()

        def loss(state, x):
            return (functional_call(module, state, (x,)) - torch.tensor(Y)).square().mean()

        found = grad(loss)(state, x)
        module.zero_grad()
        (module(x) - torch.tensor(Y)).square().mean().backward()
        for name, parameter in module.named_parameters():
            close(found[name], parameter.grad)
        module.eval()
        doubled = {k: 2 * v for k, v in state.items()}
        assert (functional_call(module, doubled, (x,)) != module(x)).any()
        per_sample = vmap(
            grad(lambda s, x: functional_call(module, s, (x[None],)).sum()), (None, 0)
        )
        for name, gradients in per_sample(state, x).items():
            assert gradients.shape == (16, *state[name].shape)
        after = made.get_weights()
        for i in (0, 1, 2, 3, 6, 7):
            np.testing.assert_array_equal(before[i], after[i])

    def test_buffers_of_functional_calls(self):
        import torch
        from torch.func import functional_call

        made, x = model(), torch.tensor(X)
        module = made.as_module()
        state = {k: v.detach().clone() for k, v in module.state_dict().items()}
        before = made.get_weights()
        functional_call(module, state, (x,))
        for a, b in zip(before, made.get_weights()):
            np.testing.assert_array_equal(a, b)

    @pytest.mark.parametrize("transform", ["grad", "vmap"])
    def test_assignments_in_functions_of_torch_func_are_refused(self, transform):
        import torch

        layer = layers.BatchNormalization()
        layer(X)
        before = layer.get_weights()
        call = {
            "grad": torch.func.grad(lambda x: layer(x, training=True).sum()),
            "vmap": torch.vmap(lambda x: layer(x[None], training=True)),
        }[transform]
        with pytest.raises(RuntimeError, match=r"moving_mean.*stateless_call"):
            call(torch.tensor(X))
        for a, b in zip(before, layer.get_weights()):
            np.testing.assert_array_equal(a, b)

    def test_weights_that_are_thawed_later_have_gradients(self):
        import torch

        made = model()
        made.trainable = False
        x = torch.tensor(X)
        handles = [v.native() for v in made.weights]
        assert not any(h.requires_grad for h in handles)
        made.trainable = True
        trained = [v.native() for v in made.trainable_variables]
        assert all(h.requires_grad for h in trained)
        assert {id(h) for h in trained} <= {id(h) for h in handles}
        made(x).sum().backward()
        assert all(h.grad is not None for h in trained)

    def test_torch_compile(self):
        import torch

        module = model().as_module().eval()
        net = torch.nn.Sequential(module, torch.nn.ReLU())
        compiled = torch.compile(net, backend="eager")
        close(compiled(torch.tensor(X)), np.maximum(expected(X), 0))
        compiled(torch.tensor(X)).sum().backward()
        assert all(p.grad is not None for p in module.parameters())


# -------------------------------------------------------------------------------------- TensorFlow


@pytest.mark.engine("tensorflow")
class TestTensorFlow:
    def test_functions_of_the_user(self):
        import tensorflow as tf

        made = model()
        call = tf.function(lambda x: made(x))
        close(call(tf.constant(X)), expected(X))
        fresh = layers.Dense(3)
        close(tf.function(lambda x: fresh(x))(tf.constant(X)), fresh(X))
        free = tf.function(lambda x: made(x), input_signature=[tf.TensorSpec((None, 6))])
        close(free(X[:3]), expected(X[:3]))

    @pytest.mark.parametrize("in_function", [False, True])
    def test_training_by_hand(self, in_function):
        """The user's tape, and state that the user's function changes."""
        import tensorflow as tf

        made = model(0.2)
        trained = [v.native() for v in made.trainable_variables]
        assert all(isinstance(v, tf.Variable) for v in trained)
        seed = next(v for v in made.variables if v.dtype == "int32")
        before, mean = seed.numpy(), made.layers[2].moving_mean.numpy()

        def step():
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((made(tf.constant(X), training=True) - Y) ** 2)
            for variable, gradient in zip(trained, tape.gradient(loss, trained), strict=True):
                variable.assign_sub(0.05 * gradient)
            return loss

        run = tf.function(step) if in_function else step
        found = [float(run()) for _ in range(60)]
        assert found[-1] < found[0] / 3
        assert seed.numpy()[1] == before[1] + 60
        assert (made.layers[2].moving_mean.numpy() != mean).any()
        close(made.predict(X, verbose=0), made(X))

    def test_weights_that_are_thawed_later_have_gradients(self):
        import tensorflow as tf

        made = model()
        made.trainable = False
        handles = [v.native() for v in made.weights]
        made.trainable = True
        trained = [v.native() for v in made.trainable_variables]
        assert {id(h) for h in trained} <= set(map(id, handles))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(made(X))
        assert all(g is not None for g in tape.gradient(loss, trained))

    def test_variables_of_the_user_are_tensors(self):
        import tensorflow as tf

        made, x = model(), tf.Variable(X)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(made(x)) + tf.reduce_sum(ops.exp(x))
        assert (tape.gradient(loss, x).numpy() != 0).all()

    def test_a_module(self, tmp_path):
        import tensorflow as tf

        made = model()
        module = made.as_module()
        assert len(module.trainable_variables) == 6
        close(module(tf.constant(X)), expected(X))
        checkpoint = tf.train.Checkpoint(module=module)
        path = checkpoint.save(str(tmp_path / "state"))
        before = made.get_weights()
        made.set_weights([w * 0 for w in before])
        checkpoint.restore(path).assert_consumed()
        for a, b in zip(before, made.get_weights()):
            np.testing.assert_array_equal(a, b)
