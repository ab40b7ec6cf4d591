/* framecache: errors and names, in the words of store.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <string.h>

#include "store.h"

G_DEFINE_QUARK (fcr - error - quark, fcr_error)

static FcrError
error_of (int r)
{
  switch (r)
    {
    case -ENOENT:
      return FCR_ERROR_NOT_FOUND;
    case -EEXIST:
      return FCR_ERROR_EXISTS;
    case -EBUSY:
    case -EUSERS:
      return FCR_ERROR_BUSY;
    case -ENOSPC:
      return FCR_ERROR_NO_SPACE;
    case -EACCES:
    case -EPERM:
    case -EROFS:
      return FCR_ERROR_NOT_PERMITTED;
    case -EINVAL:
    case -EMSGSIZE:
    case -ENAMETOOLONG:
      return FCR_ERROR_INVALID_ARGUMENT;
    default:
      return FCR_ERROR_FAILED;
    }
}

void
fcr_set_error (GError **error, int r)
{
  /* Paths in it may be made of any bytes; D-Bus takes UTF-8 alone. */
  g_autofree gchar *detail = g_utf8_make_valid (fc_error_detail (), -1);

  g_set_error_literal (error, FCR_ERROR, (gint) error_of (r), detail);
}

gboolean
fcr_is_name (const gchar *name)
{
  gsize length = strnlen (name, FC_NAME_MAX + 1);

  if (length < 1 || length > FC_NAME_MAX || !g_ascii_isalnum (name[0]))
    return FALSE;
  for (gsize i = 1; i < length; i++)
    if (!g_ascii_isalnum (name[i]) && strchr ("._-", name[i]) == NULL)
      return FALSE;
  return TRUE;
}

gboolean
fcr_check_name (const gchar *name, GError **error)
{
  g_autofree gchar *start = NULL;
  g_autofree gchar *escaped = NULL;

  if (fcr_is_name (name))
    return TRUE;
  start = g_strndup (name, FC_NAME_MAX + 1);
  escaped = g_strescape (start, NULL);
  g_set_error (error, FCR_ERROR, FCR_ERROR_INVALID_NAME,
               "\"%s\" is no slot name: 1 to %d of A-Z a-z 0-9 . _ -, "
               "beginning with a letter or a digit",
               escaped, FC_NAME_MAX);
  return FALSE;
}

const gchar *
fcr_state_name (FcrState state)
{
  static const gchar *const names[]
      = { "reserved", "live", "stalled", "eos", "lost" };

  g_return_val_if_fail ((guint) state < G_N_ELEMENTS (names), NULL);
  return names[state];
}
