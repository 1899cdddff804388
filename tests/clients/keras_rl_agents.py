"""Agents of keras-rl 0.4, for Keras 2, learn to walk to the end of a line."""

import random

import numpy as np
from keras.initializers import glorot_uniform
from keras.layers import Concatenate, Dense, Flatten, Input
from keras.models import Model, Sequential
from keras.optimizers import Adam
from rl.agents import CEMAgent, DDPGAgent, SARSAAgent
from rl.agents.dqn import DQNAgent
from rl.core import Env
from rl.memory import EpisodeParameterMemory, SequentialMemory
from rl.policy import BoltzmannQPolicy, EpsGreedyQPolicy


class Line(Env):
    reward_range = (0, 1)

    def reset(self):
        self.place, self.time = 2, 0
        return np.eye(5)[2]

    def step(self, action):
        self.time += 1
        self.place += 1 if np.ravel(action)[0] > 0 else -1
        self.place = min(4, max(0, self.place))
        there = self.place == 4
        return np.eye(5)[self.place], float(there), there or self.time == 10, {}

    def render(self, *args, **kwargs):
        pass

    def close(self):
        pass


def network(outputs=2, last="linear"):
    hidden = Dense(8, activation="relu", kernel_initializer=glorot_uniform(seed=1))
    end = Dense(outputs, activation=last, kernel_initializer=glorot_uniform(seed=2))
    return Sequential([Flatten(input_shape=(1, 5)), hidden, end])


def critic():
    action, seen = Input((1,), name="action"), Input((1, 5), name="seen")
    x = Dense(8, activation="relu")(Concatenate()([action, Flatten()(seen)]))
    return action, Model([action, seen], Dense(1)(x))


def memory():
    return SequentialMemory(limit=500, window_length=1)


np.random.seed(0)
random.seed(0)
action, judge = critic()
deep = {
    "nb_actions": 2, "nb_steps_warmup": 40, "target_model_update": 10,
    "policy": EpsGreedyQPolicy(),
}  # fmt: skip
agents = {
    "deep Q": DQNAgent(network(), memory=memory(), **deep),
    "dueling": DQNAgent(network(), memory=memory(), enable_dueling_network=True, **deep),
    "SARSA": SARSAAgent(network(), nb_actions=2, policy=BoltzmannQPolicy()),
    "gradients": DDPGAgent(
        nb_actions=1, actor=network(1, "tanh"), critic=judge, critic_action_input=action,
        memory=memory(), nb_steps_warmup_critic=40, nb_steps_warmup_actor=40,
        target_model_update=10,
    ),
    "entropy": CEMAgent(
        network(), nb_actions=2, memory=EpisodeParameterMemory(limit=100, window_length=1),
        batch_size=10, nb_steps_warmup=20, train_interval=10, elite_frac=0.2,
    ),
}  # fmt: skip
for name, agent in agents.items():
    given = () if name == "entropy" else (Adam(lr=1e-2), ["mae"])
    agent.compile(*given)
    done = agent.fit(Line(), nb_steps=500, verbose=0).history
    assert done["nb_steps"][-1] <= 500, name
    rewards = agent.test(Line(), nb_episodes=2, visualize=False, verbose=0).history
    assert len(rewards["episode_reward"]) == 2, name
    if name == "deep Q":
        assert rewards["episode_reward"] == [1.0, 1.0]
