"""Help on using the system: answers from a list of texts that people have written and reviewed, and nothing else.

`answer(question, role)` finds the topic that is asked for, typing errors or not; says that it does not know, with the
nearest topics, below a threshold; and refuses, kindly and always in the same words, whatever asks for advice on a case.
No question is kept anywhere. The texts of a language are in `topics/<language>.toml`; how sure the search is has been
measured with the questions in tests/unit/assistant_questions.py.
"""
