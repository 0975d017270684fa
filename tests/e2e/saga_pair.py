"""The smallest saga that has an undo and a pivot, over one service, with the file around it."""


def config(store, api, admin, service):
    """`service`: its port."""
    return f"""admin: {{ listen: 127.0.0.1:{admin} }}
api: {{ listen: 127.0.0.1:{api}, hosts: [a.example] }}
stores: {{ journal: "sqlite:{store}" }}
services:
  service: {{ url: "http://127.0.0.1:{service}" }}
sagas:
  pair:
    steps:
      - first:
          action: POST service/first
          body: "{{order: .input.order}}"
          undo: "DELETE service/first/{{.input.order}}"
          idempotent: key
      - second: {{ kind: pivot, action: POST service/second, body: "{{order: .input.order}}", idempotent: key }}
"""
