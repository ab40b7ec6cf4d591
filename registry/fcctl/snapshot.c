/* framecache: fcctl snapshot
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The frame is copied as an observer does, so that the slot knows nothing of
 * it, into a ring of this program's own. From that one the helper, which alone
 * is built with GStreamer, makes the picture with fcsrc: fcctl stays quick to
 * start, and a decoder that crashes takes nothing with it.
 */
#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "fcctl.h"
#include "interrupt.h"
#include "output.h"

#define HELPER "fcctl-snapshot"

typedef struct
{
  const gchar *slot;
  const gchar *path;
  const gchar *type; /* "png" or "jpeg" */
  gint64 wait;       /* ns */
  gchar *directory;  /* of the ring of its own */
  fc_writer_t *writer;
} Snapshot;

/* The frame ---------------------------------------------------------------- */

/* A frame that a picture can be made of by itself. Returns as
 * fc_consumer_read (). */
static int
read_whole (fc_consumer_t *consumer, fc_frame_t *frame, gint64 wait)
{
  static const fc_position_t newest_key = { .start = FC_START_KEY };
  gint64 until = g_get_monotonic_time () + wait / 1000;
  gboolean sought = FALSE;

  for (;;)
    {
      gint64 left = MAX (until - g_get_monotonic_time (), 0) * 1000;
      int r;

      *frame = (fc_frame_t) FC_FRAME_INIT;
      r = fc_consumer_read (consumer, frame, left);
      if (r == FC_WRITER_LOST && left > 0)
        continue;
      if (r < 0
          || (frame->size > 0 && (frame->info.flags & FC_FRAME_DELTA) == 0))
        return r;
      /* The one before it that decoding can start at, or else the next. */
      if (!sought && frame->size > 0)
        (void) fc_consumer_seek (consumer, &newest_key);
      sought |= frame->size > 0;
    }
}

static int
say_no_frame (const Snapshot *snapshot, int r)
{
  gdouble seconds = (gdouble) snapshot->wait / 1e9;

  if (r == FC_INTERRUPTED)
    return FCCTL_FAILED;
  if (r == FC_TIMEOUT || r == FC_WRITER_LOST || r == FC_EOS)
    return fcctl_say ("slot %s: no frame that can be shown by itself in %g s%s",
                      snapshot->slot, seconds,
                      r == FC_WRITER_LOST ? "; its writer is dead"
                      : r == FC_EOS       ? "; its stream ended"
                                          : "; --wait waits longer");
  return fcctl_fail (r);
}

static gboolean
is_picture (const Snapshot *snapshot, const void *data, gsize size)
{
  g_autofree gchar *format = fcctl_escape (data, size);
  g_autofree gchar *type = fcctl_caps_type (format);
  g_autofree gchar *cut = fcctl_cut (format, 60);

  if (type != NULL
      && (g_str_has_prefix (type, "video/")
          || g_str_has_prefix (type, "image/")))
    return TRUE;
  fcctl_say ("slot %s has no pictures: its format is %s; fcctl dump writes "
             "its bytes",
             snapshot->slot, cut);
  return FALSE;
}

/* Put FRAME alone in a ring of one's own. Returns 0 or an error. */
static int
keep (Snapshot *snapshot, fc_consumer_t *consumer, const fc_frame_t *frame,
      const void *format, gsize format_size)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  g_autofree gchar *sticky = g_malloc (FC_STICKY_MAX);
  fc_info_t info = frame->info;
  gsize size = 0;
  int r;

  if (fc_consumer_sticky (consumer, sticky, FC_STICKY_MAX, &size, NULL) == 0)
    {
      options.sticky = sticky;
      options.sticky_size = (uint32_t) size;
    }
  options.dir = snapshot->directory;
  options.frame_size = frame->size;
  options.ring_depth = 2;
  options.max_consumers = 1;
  options.leases = 2;
  options.writer_cells = 1;
  options.format = format;
  options.format_size = (uint32_t) format_size;
  info.flags &= ~FC_FRAME_EPOCH; /* libfc's own */
  r = fc_writer_open (&snapshot->writer, snapshot->slot, &options);
  if (r == 0)
    r = fc_writer_write (snapshot->writer, frame->data, frame->size, &info,
                         NULL);
  if (r >= 0)
    r = fc_writer_finish (snapshot->writer);
  return r;
}

/* Returns an exit code. */
static int
take_frame (Snapshot *snapshot, fc_consumer_t *consumer)
{
  fc_frame_t frame;
  const void *format = NULL;
  gsize size = 0;
  int r = fc_consumer_attach (consumer, snapshot->wait);

  if (r >= 0 && fc_consumer_format (consumer, &format, &size) == 0
      && !is_picture (snapshot, format, size))
    return FCCTL_FAILED;
  if (r >= 0)
    r = read_whole (consumer, &frame, snapshot->wait);
  if (r < 0)
    return say_no_frame (snapshot, r);
  /* A reserved slot has its format with its first frame. */
  if (fc_consumer_format (consumer, &format, &size) < 0
      || !is_picture (snapshot, format, size))
    return FCCTL_FAILED;
  r = keep (snapshot, consumer, &frame, format, size);
  return r < 0 ? fcctl_fail (r) : FCCTL_OK;
}

/* The picture -------------------------------------------------------------- */

/* Beside this program, as in a build folder; where it was installed with it,
 * wherever that is; or where it was to be installed. */
static gchar *
find_helper (void)
{
  static const gchar *const places[] = { ".", FCCTL_LIBEXEC_FROM_BIN };
  g_autofree gchar *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree gchar *folder = self != NULL ? g_path_get_dirname (self) : NULL;

  for (gsize i = 0; folder != NULL && i < G_N_ELEMENTS (places); i++)
    {
      g_autofree gchar *path
          = g_build_filename (folder, places[i], HELPER, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_EXECUTABLE))
        return g_steal_pointer (&path);
    }
  return g_build_filename (FCCTL_LIBEXECDIR, HELPER, NULL);
}

/* The bytes of the picture; NULL where that was said already, or is with
 * ERROR. */
static GBytes *
make_picture (const Snapshot *snapshot, GError **error)
{
  g_autofree gchar *helper = find_helper ();
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GBytes) picture = NULL;

  if (!g_file_test (helper, G_FILE_TEST_IS_EXECUTABLE))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                   "there is no %s: this framecache was built without "
                   "GStreamer; fcctl dump writes a frame's bytes",
                   helper);
      return NULL;
    }
  process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, error, helper,
                              snapshot->directory, snapshot->slot,
                              snapshot->type, NULL);
  if (process == NULL
      || !g_subprocess_communicate (process, NULL, NULL, &picture, NULL, error))
    return NULL;
  if (g_subprocess_get_if_signaled (process) && !fcctl_interrupted ())
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                 "slot %s: making the picture ended with signal %d (%s): "
                 "perhaps a fault of the decoder's",
                 snapshot->slot, g_subprocess_get_term_sig (process),
                 g_strsignal (g_subprocess_get_term_sig (process)));
  if (!g_subprocess_get_successful (process))
    return NULL;
  if (g_bytes_get_size (picture) > 0)
    return g_steal_pointer (&picture);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
               "slot %s: its newest frame could not be decoded; it is not what "
               "its format says, or not whole",
               snapshot->slot);
  return NULL;
}

/* Returns an exit code. */
static int
write_picture (const Snapshot *snapshot)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) picture = make_picture (snapshot, &error);
  FcctlOutput *output = NULL;
  gconstpointer data;
  gsize size;

  if (picture == NULL)
    return error != NULL ? fcctl_say ("%s", error->message) : FCCTL_FAILED;
  data = g_bytes_get_data (picture, &size);
  output = fcctl_output_open (snapshot->path, FALSE, &error);
  if (output != NULL && !fcctl_output_write (output, data, size, &error))
    g_clear_pointer (&output, fcctl_output_abandon);
  if (output == NULL || !fcctl_output_finish (output, &error))
    return fcctl_say ("%s", error->message);
  return FCCTL_OK;
}

/* -------------------------------------------------------------------------- */

static int
run (Snapshot *snapshot)
{
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  fc_consumer_t *consumer = NULL;
  g_autoptr (GError) error = NULL;
  int code, r;

  options.dir = fcctl_directory;
  options.observe = 1;
  options.detached = 1;
  options.position.start = FC_START_LATEST;
  r = fc_consumer_open (&consumer, snapshot->slot, &options);
  if (r < 0)
    return fcctl_fail (r);
  fcctl_interrupt_set (consumer);
  snapshot->directory = g_dir_make_tmp ("fcctl-snapshot-XXXXXX", &error);
  if (snapshot->directory == NULL)
    code = fcctl_say ("%s", error->message);
  else
    code = take_frame (snapshot, consumer);
  fcctl_interrupt_set (NULL);
  fc_consumer_close (consumer);
  if (code == FCCTL_OK)
    code = write_picture (snapshot);
  fc_writer_close (snapshot->writer);
  return code;
}

/* The ring is gone by now; whatever else is left goes with its directory. */
static void
clear (Snapshot *snapshot)
{
  g_autoptr (GDir) stream = NULL;
  const gchar *file;

  if (snapshot->directory == NULL)
    return;
  stream = g_dir_open (snapshot->directory, 0, NULL);
  while (stream != NULL && (file = g_dir_read_name (stream)) != NULL)
    {
      g_autofree gchar *path
          = g_build_filename (snapshot->directory, file, NULL);

      g_unlink (path);
    }
  g_rmdir (snapshot->directory);
  g_free (snapshot->directory);
}

/* By --type, or the suffix of the file. */
static gboolean
take_type (Snapshot *snapshot, const gchar *type)
{
  const gchar *dot = strrchr (snapshot->path, '.');
  const gchar *name = type != NULL ? type : dot != NULL ? dot + 1 : "";

  if (g_ascii_strcasecmp (name, "png") == 0)
    snapshot->type = "png";
  else if (g_ascii_strcasecmp (name, "jpg") == 0
           || g_ascii_strcasecmp (name, "jpeg") == 0)
    snapshot->type = "jpeg";
  else if (type != NULL)
    fcctl_say ("--type is png or jpeg, not \"%s\"", type);
  else
    fcctl_say ("\"%s\" does not end in .png, .jpg or .jpeg; --type=png or "
               "jpeg says which it is",
               snapshot->path);
  return snapshot->type != NULL;
}

int
fcctl_snapshot (int argc, char **argv)
{
  Snapshot snapshot = { 0 };
  gdouble wait = 5;
  g_autofree gchar *type = NULL;
  const GOptionEntry entries[]
      = { { "type", 't', 0, G_OPTION_ARG_STRING, &type,
            "png or jpeg, whatever FILE ends in", "TYPE" },
          { "wait", 'w', 0, G_OPTION_ARG_DOUBLE, &wait,
            "Wait so long for the slot, and for a frame (5)", "SECONDS" },
          { 0 } };
  int code;

  if (!fcctl_parse (&argc, &argv, entries, "SLOT FILE", 2, 2,
                    "Write a slot's newest picture to FILE, by its suffix as "
                    "PNG or JPEG; - is\nstandard output. Of a coded stream it "
                    "is the newest that is a key frame.",
                    NULL))
    return FCCTL_USAGE;
  snapshot.slot = argv[1];
  snapshot.path = argv[2];
  if (!take_type (&snapshot, type))
    return FCCTL_USAGE;
  if (!(wait >= 0 && wait <= 1e9))
    {
      fcctl_say ("--wait is a time in seconds, not %g", wait);
      return FCCTL_USAGE;
    }
  snapshot.wait = (gint64) (wait * 1e9);
  code = run (&snapshot);
  clear (&snapshot);
  if (code != FCCTL_OK)
    fcctl_interrupt_raise ();
  return code;
}
