"""The command line. Modules here load Keras and the backend inside functions only, so that help answers at once."""
