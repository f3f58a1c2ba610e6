"""Properties have no deadline: on a machine at work, some example always takes longer."""

from hypothesis import settings

settings.register_profile("dddkit", deadline=None)
settings.load_profile("dddkit")
