"""The wire: .proto files and the code generated from them. Imports no Django."""
