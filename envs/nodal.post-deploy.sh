# The library itself, once its conda environment is made; run from the project's folder.
python -m pip install --no-deps --editable .
