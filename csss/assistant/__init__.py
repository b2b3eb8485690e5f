"""Answer questions on how to use the system, only from texts that people have written and reviewed.

`answer(question, role)` finds the matching topic and tolerates typing errors. Below a threshold it says that it
does not know, and names the nearest topics. It refuses every request for advice on a case, politely and always in
the same words. No question is stored anywhere. The texts of a language are in `topics/<language>.toml`; the
accuracy of the search is measured with the questions in tests/unit/assistant_questions.py.
"""
