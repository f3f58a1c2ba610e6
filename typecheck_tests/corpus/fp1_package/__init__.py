from fp1_package._impl import Greet, Member

__all__ = ["Greet", "Member"]
