"""What ships inside the artefact: schema, text, features, families, calibration, ranking, scoring."""
