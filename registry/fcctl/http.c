/* framecache: one HTTP request on standard input, answered on standard output
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "http.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECONDS 10
#define HEAD_MAX 8192 /* bytes */

/* All of the head is read before it is answered: a connection that is closed
 * with bytes unread is reset, and the answer may be lost with it. */
static gboolean
read_head (gchar *head)
{
  gsize used = 0;

  while (used < HEAD_MAX)
    {
      gssize n = read (STDIN_FILENO, head + used, HEAD_MAX - used);

      if (n <= 0)
        return FALSE;
      used += (gsize) n;
      head[used] = '\0';
      if (strlen (head) < used)
        return FALSE;
      if (strstr (head, "\r\n\r\n") != NULL || strstr (head, "\n\n") != NULL)
        return TRUE;
    }
  return FALSE;
}

static FcctlHttp
refuse (const gchar *status)
{
  g_autofree gchar *body = g_strconcat (status, "\n", NULL);

  fcctl_http_answer (FCCTL_HTTP_GET, status, "text/plain", body);
  return FCCTL_HTTP_REFUSED;
}

FcctlHttp
fcctl_http_read (const gchar *path)
{
  g_autofree gchar *head = g_malloc0 (HEAD_MAX + 1);
  g_auto (GStrv) words = NULL;

  alarm (SECONDS);
  if (!read_head (head))
    return refuse ("400 Bad Request");
  head[strcspn (head, "\r\n")] = '\0';
  words = g_strsplit (head, " ", 4);
  if (g_strv_length (words) != 3 || !g_str_has_prefix (words[2], "HTTP/1."))
    return refuse ("400 Bad Request");
  words[1][strcspn (words[1], "?")] = '\0';
  if (!g_str_equal (words[1], "/") && !g_str_equal (words[1], path))
    return refuse ("404 Not Found");
  if (g_str_equal (words[0], "HEAD"))
    return FCCTL_HTTP_HEAD;
  if (g_str_equal (words[0], "GET"))
    return FCCTL_HTTP_GET;
  return refuse ("405 Method Not Allowed");
}

void
fcctl_http_answer (FcctlHttp request, const gchar *status, const gchar *type,
                   const gchar *body)
{
  printf ("HTTP/1.1 %s\r\n"
          "Content-Type: %s\r\n"
          "Content-Length: %zu\r\n"
          "%s"
          "Connection: close\r\n"
          "\r\n"
          "%s",
          status, type, strlen (body),
          g_str_has_prefix (status, "405") ? "Allow: GET, HEAD\r\n" : "",
          request == FCCTL_HTTP_HEAD ? "" : body);
}
