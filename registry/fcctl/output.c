/* framecache: a file that is there as a whole, or not at all
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct _FcctlOutput
{
  gchar *path;
  gchar *temporary; /* beside it, or NULL: written in place */
  int fd;
};

static gboolean
fail (GError **error, const gchar *what, const gchar *path)
{
  int number = errno;

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (number),
               "can not %s %s: %s", what, path, g_strerror (number));
  return FALSE;
}

static FcctlOutput *
open_standard (GError **error)
{
  FcctlOutput *output;

  if (isatty (STDOUT_FILENO))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                           "a frame's bytes are not for a terminal: name a "
                           "file, or put a pipe behind the command");
      return NULL;
    }
  output = g_new0 (FcctlOutput, 1);
  output->path = g_strdup ("standard output");
  output->fd = STDOUT_FILENO;
  return output;
}

/* The mode that a new file gets: mkostemp () makes it for its owner alone. */
static mode_t
usual_mode (const gchar *path)
{
  struct stat st;
  mode_t mask;

  if (stat (path, &st) == 0)
    return st.st_mode & 0777;
  mask = umask (0);
  umask (mask);
  return 0666 & ~mask;
}

FcctlOutput *
fcctl_output_open (const gchar *path, gboolean in_place, GError **error)
{
  g_autofree gchar *temporary = g_strdup_printf ("%s.XXXXXX", path);
  FcctlOutput *output;
  struct stat st;
  int fd;

  if (g_str_equal (path, "-"))
    return open_standard (error);
  /* A device or a pipe is not to be replaced, nor is a link. */
  in_place |= lstat (path, &st) == 0 && !S_ISREG (st.st_mode);
  if (in_place)
    fd = g_open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  else
    fd = g_mkstemp_full (temporary, O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0)
    {
      fail (error, "make", path);
      return NULL;
    }
  if (!in_place)
    (void) fchmod (fd, usual_mode (path));
  output = g_new0 (FcctlOutput, 1);
  output->path = g_strdup (path);
  output->temporary = in_place ? NULL : g_steal_pointer (&temporary);
  output->fd = fd;
  return output;
}

gboolean
fcctl_output_write (FcctlOutput *output, gconstpointer data, gsize size,
                    GError **error)
{
  const guint8 *from = data;

  while (size > 0)
    {
      ssize_t n = write (output->fd, from, size);

      if (n < 0)
        return fail (error, "write to", output->path);
      from += n;
      size -= (gsize) n;
    }
  return TRUE;
}

static void
output_free (FcctlOutput *output)
{
  g_free (output->temporary);
  g_free (output->path);
  g_free (output);
}

gboolean
fcctl_output_finish (FcctlOutput *output, GError **error)
{
  gboolean ok = output->fd == STDOUT_FILENO || close (output->fd) == 0;

  if (ok && output->temporary != NULL)
    ok = g_rename (output->temporary, output->path) == 0;
  if (!ok)
    {
      fail (error, "write to", output->path);
      if (output->temporary != NULL)
        g_unlink (output->temporary);
    }
  output_free (output);
  return ok;
}

void
fcctl_output_abandon (FcctlOutput *output)
{
  if (output == NULL)
    return;
  if (output->fd != STDOUT_FILENO)
    close (output->fd);
  if (output->temporary != NULL)
    g_unlink (output->temporary);
  output_free (output);
}
