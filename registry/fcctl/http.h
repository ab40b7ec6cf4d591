/* framecache: one HTTP request on standard input, answered on standard output
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * As a systemd socket unit with Accept=yes, or inetd, starts a program for each
 * connection.
 */
#ifndef FCCTL_HTTP_H
#define FCCTL_HTTP_H

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  FCCTL_HTTP_GET,
  FCCTL_HTTP_HEAD,
  FCCTL_HTTP_REFUSED /* and answered */
} FcctlHttp;

/* Read the head of a request for PATH, or for "/". From here on the process has
 * ten seconds, which a client that neither sends nor reads uses up. */
FcctlHttp fcctl_http_read (const gchar *path);

/* Answer with STATUS, "200 OK", and BODY, of the content type TYPE. */
void fcctl_http_answer (FcctlHttp request, const gchar *status,
                        const gchar *type, const gchar *body);

G_END_DECLS

#endif /* FCCTL_HTTP_H */
