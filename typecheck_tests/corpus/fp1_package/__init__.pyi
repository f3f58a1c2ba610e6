from fp1_package._impl import Greet as Greet, Member as Member
