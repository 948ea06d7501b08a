/* handlers.h - what each route does. A handler answers the exchange, or suspends it
 * for the pool; it runs on an HTTP thread and never waits. */
#ifndef HTTP_HANDLERS_H
#define HTTP_HANDLERS_H

struct exchange;

void handle_attention(struct exchange *x);
void handle_info(struct exchange *x);
void handle_livez(struct exchange *x);
void handle_readyz(struct exchange *x);
void handle_metrics(struct exchange *x);
void handle_metrics_requests(struct exchange *x);
void handle_openapi_yaml(struct exchange *x);
void handle_openapi_json(struct exchange *x);

#endif
