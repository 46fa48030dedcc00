"""Other rerankers on the same weights and pairs, each in its own virtual environment.

python -m benchmarks.peers --venvs FOLDER
"""
