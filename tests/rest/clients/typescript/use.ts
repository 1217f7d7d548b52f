// What a portal does, through the types generated from openapi.yaml: node use.js SERVER ID PASSWORD
import { deepStrictEqual, ok } from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const [server, id, password] = process.argv.slice(2) as [string, string, string];
const api = createClient<paths>({ baseUrl: server });

const login = await api.POST("/api/v2/auth/token", { body: { id, password } });
ok(login.data, JSON.stringify(login.error));
api.use({
  onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${login.data.result.access}`);
  },
});

const made = await api.POST("/api/v2/token", { body: { desc: "Vision team", priority: 5, env: { A: "b" } } });
ok(made.data, JSON.stringify(made.error));
const token: components["schemas"]["Token"] = made.data.result;
deepStrictEqual([token.description, token.priority, token.env], ["Vision team", 5, { A: "b" }]);

const found = await api.GET("/api/v2/token", { params: { query: { token: token.value } } });
deepStrictEqual(found.data, [token]);
deepStrictEqual(found.data?.map((one) => one.value), [token.value]); // a list to the compiler as well
deepStrictEqual(found.response.headers.get("x-total-count"), "1");

const gone = await api.DELETE("/api/v2/token", { params: { query: { token: token.value } } });
deepStrictEqual(gone.data?.code, "SUCCESS");

const again = await api.DELETE("/api/v2/token", { params: { query: { token: token.value } } });
deepStrictEqual([again.response.status, again.error?.code], [404, "NOT_FOUND"]);
console.log("done");
