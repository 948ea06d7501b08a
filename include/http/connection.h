/* connection.h - when a connection begins and ends: its exchange, its place under the
 * watch, and the farewell of a client that may still send. */
#ifndef HTTP_CONNECTION_H
#define HTTP_CONNECTION_H

#include <microhttpd.h>

/* A callback of libmicrohttpd; `front` is a struct front, `exchange` a struct exchange,
 * NULL when there was no memory for it. */
void connection_notify(void *front, struct MHD_Connection *connection, void **exchange,
                       enum MHD_ConnectionNotificationCode what);

#endif
