from agents import Agent, set_tracing_disabled

set_tracing_disabled(True)
agent = Agent(name="Quiet", model="gpt-4.1")  # find: client
