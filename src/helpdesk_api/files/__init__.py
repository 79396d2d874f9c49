"""Files: their rows and their content, uploading, and the links that they are downloaded by."""
