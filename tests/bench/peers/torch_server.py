"""The main job over HTTP as a Python shop writes it: FastAPI, uvicorn and PyTorch.

    python3 torch_server.py PORT THREADS

Takes the request of bodies.js, answers outputs and attention maps. /v1/attention returns
a dict, as FastAPI's manual does it; /direct makes the answer itself, which spares it
FastAPI's look at every number.
"""
import json
import math
import sys

import torch
import uvicorn
from fastapi import FastAPI, Request, Response

torch.set_num_threads(int(sys.argv[2]))
app = FastAPI()


@torch.inference_mode()
def attention(body: dict) -> dict:
    weights = {name: torch.tensor(w, dtype=torch.float32) for name, w in body["weights"].items()}
    x = torch.tensor(body["sequences"], dtype=torch.float32)
    heads = body.get("heads", 1)

    def project(name: str) -> torch.Tensor:
        rows = x @ weights[name]
        return rows.view(len(rows), heads, -1).transpose(0, 1)

    q, k, v = project("wq"), project("wk"), project("wv")
    maps = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]), dim=-1)
    outputs = (maps @ v).transpose(0, 1).flatten(1)
    return {"outputs": outputs.tolist(), "attention_maps": maps.tolist()}


@app.post("/v1/attention")
async def attention_route(request: Request):
    return attention(await request.json())


@app.post("/direct")
async def direct_route(request: Request):
    return Response(json.dumps(attention(await request.json())), media_type="application/json")


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
