"""An actor and a critic learn to balance a pole on a cart.

Shows: a model with two heads, a training loop of one's own around an environment: `GradientTape`,
`keras.function` to compile what is repeated, an optimizer that is called directly.
Data: sixteen carts at once, simulated here. An episode is over when the pole leans more than 12
degrees, the cart is off the track, or after 200 steps.
Expected: more than 150 steps on average (pushing at random lasts about 20).
Sources: Barto, Sutton and Anderson, Neuronlike adaptive elements that can solve difficult learning
control problems, 1983; Mnih et al., https://arxiv.org/abs/1602.01783.
"""

import numpy as np

import tricorn as keras
from tricorn import layers, ops

keras.utils.set_random_seed(0)

CARTS, HORIZON, GAMMA = 16, 20, 0.98

# ----------------------------------------------------------------------------------- environment


class CartPoles:
    """States `(carts, 4)`: place, speed, angle, angular speed. Those that end begin anew."""

    def __init__(self, count, seed):
        self.rng = np.random.default_rng(seed)
        self.state = self.fresh(count)
        self.age = np.zeros(count, int)
        self.lasted = []  # of all episodes that ended

    def fresh(self, count):
        return self.rng.uniform(-0.05, 0.05, (count, 4))

    def step(self, actions):
        """Push each cart left (0) or right (1); which episodes failed, and which are over."""
        _, speed, angle, turn = self.state.T
        sin, cos = np.sin(angle), np.cos(angle)
        push = (np.where(actions == 1, 10.0, -10.0) + 0.05 * turn**2 * sin) / 1.1
        turning = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
        moving = push - 0.05 * turning * cos / 1.1
        change = np.stack([speed, moving, turn, turning], axis=1)
        self.state = self.state + 0.02 * change
        self.age += 1
        failed = (np.abs(self.state[:, 0]) > 2.4) | (np.abs(self.state[:, 2]) > np.radians(12))
        over = failed | (self.age >= 200)
        self.lasted.extend(self.age[over])
        self.state[over], self.age[over] = self.fresh(over.sum()), 0
        return failed, over


# ----------------------------------------------------------------------------------------- model

inputs = keras.Input((4,))
common = layers.Dense(64, activation="tanh")(inputs)
logits = layers.Dense(2)(common)
critic = layers.Dense(1)(common)
model = keras.Model(inputs, [logits, critic])
optimizer = keras.optimizers.Adam(5e-3)
huber = keras.losses.Huber()


@keras.function
def act(states):
    logits, values = model(states)
    return ops.softmax(logits), values[:, 0]


@keras.function
def learn(states, actions, returns):
    with keras.GradientTape() as tape:
        logits, values = model(states)
        log_chances = ops.log_softmax(logits)
        taken = ops.sum(log_chances * ops.one_hot(actions, 2), axis=1)
        advantage = ops.stop_gradient(returns - values[:, 0])
        entropy = -ops.mean(ops.sum(ops.exp(log_chances) * log_chances, axis=1))
        loss = -ops.mean(taken * advantage) + huber(returns[:, None], values) - 0.01 * entropy
    weights = model.trainable_weights
    optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
    return loss


# -------------------------------------------------------------------------------------- training

carts = CartPoles(CARTS, seed=0)
rng = np.random.default_rng(1)
for round in range(400):
    steps = []
    for _ in range(HORIZON):
        states = carts.state.astype("float32")
        chances = ops.convert_to_numpy(act(states)[0])
        actions = (rng.random(CARTS) < chances[:, 1]).astype("int32")
        steps.append((states, actions, *carts.step(actions)))

    # what each step brought until the end of its episode, or as far as the critic expects
    coming = ops.convert_to_numpy(act(carts.state.astype("float32"))[1])
    returns = []
    for _, _, failed, over in reversed(steps):
        coming = np.where(over, np.where(failed, 0, 1 / (1 - GAMMA) / 20), coming)
        coming = 0.05 + GAMMA * coming
        returns.append(coming)
    states, actions = (np.concatenate(part) for part in list(zip(*steps))[:2])
    learn(states, actions, np.concatenate(returns[::-1]).astype("float32"))

    if (round + 1) % 50 == 0:
        recent = np.mean(carts.lasted[-30:])
        print(f"round {round + 1}: the last episodes took {recent:.0f} steps")
        if recent > 190:
            break

# ---------------------------------------------------------------------------------------- result

test = CartPoles(CARTS, seed=2)
while len(test.lasted) < 30:
    test.step(np.argmax(ops.convert_to_numpy(act(test.state.astype("float32"))[0]), axis=1))
print(f"steps an episode: {np.mean(test.lasted):.0f}")
assert np.mean(test.lasted) > 150
