/* framecache: fcctl dump
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <string.h>

#include "fcctl.h"
#include "interrupt.h"
#include "output.h"

typedef struct
{
  const gchar *slot;
  const gchar *path;
  const gchar *meta_path;
  fc_consumer_t *consumer;
  FcctlOutput *output; /* from the first frame on */
  FcctlOutput *meta;
  gint64 wait; /* ns, for the slot and for each frame */
  int count;   /* frames asked for */
  gboolean follow;
  guint64 taken;   /* frames */
  guint64 dropped; /* frames that were lost between them */
  GBytes *format;
  gchar *escaped; /* the format, as text */
} Dump;

static int
say_error (const GError *error)
{
  return fcctl_say ("%s", error->message);
}

/* What goes with a frame --------------------------------------------------- */

static void
add_flags (JsonBuilder *builder, guint32 flags)
{
  static const struct
  {
    guint32 flag;
    const gchar *name;
  } names[] = {
    { FC_FRAME_KEY, "key" },         { FC_FRAME_DELTA, "delta" },
    { FC_FRAME_HEADER, "header" },   { FC_FRAME_GAP, "gap" },
    { FC_FRAME_DISCONT, "discont" }, { FC_FRAME_EPOCH, "epoch" },
  };

  json_builder_set_member_name (builder, "flags");
  json_builder_begin_array (builder);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if ((flags & names[i].flag) != 0)
      json_builder_add_string_value (builder, names[i].name);
  json_builder_end_array (builder);
}

static JsonBuilder *
describe (const Dump *dump, const fc_frame_t *frame)
{
  const fc_info_t *info = &frame->info;
  JsonBuilder *builder = json_builder_begin_object (json_builder_new ());

  fcctl_json_string (builder, "slot", dump->slot);
  fcctl_json_string (builder, "format", dump->escaped);
  fcctl_json_uint (builder, "generation", frame->generation);
  fcctl_json_uint (builder, "epoch", frame->epoch);
  fcctl_json_uint (builder, "seq", frame->seq);
  fcctl_json_uint (builder, "size", frame->size);
  fcctl_json_uint (builder, "dropped", frame->dropped);
  add_flags (builder, info->flags);
  fcctl_json_uint (builder, "user_flags", info->user_flags);
  fcctl_json_time (builder, "pts_ns", info->pts);
  fcctl_json_time (builder, "dts_ns", info->dts);
  fcctl_json_time (builder, "duration_ns", info->duration);
  fcctl_json_time (builder, "running_time_ns", info->running_time);
  fcctl_json_time (builder, "offset", info->offset);
  fcctl_json_time (builder, "offset_end", info->offset_end);
  fcctl_json_time (builder, "capture_ns", info->capture_ns);
  fcctl_json_time (builder, "commit_ns", info->commit_ns);
  fcctl_json_time (builder, "wall_ns", info->wall_ns);
  fcctl_json_uint (builder, "meta_size", info->meta_size);
  return json_builder_end_object (builder);
}

static gboolean
write_meta (Dump *dump, const fc_frame_t *frame, GError **error)
{
  g_autofree gchar *line = NULL;

  if (dump->meta_path == NULL && !fcctl_json)
    return TRUE;
  line = fcctl_json_line (describe (dump, frame));
  if (fcctl_json)
    fputs (line, stdout);
  if (dump->meta_path == NULL)
    return TRUE;
  if (g_str_equal (dump->meta_path, "-"))
    {
      fputs (line, stderr); /* the frames may be on the other one */
      return TRUE;
    }
  if (dump->meta == NULL)
    dump->meta = fcctl_output_open (dump->meta_path, dump->follow, error);
  if (dump->meta == NULL)
    return FALSE;
  return fcctl_output_write (dump->meta, line, strlen (line), error);
}

/* Frames ------------------------------------------------------------------- */

static gboolean
write_frame (Dump *dump, const fc_frame_t *frame, GError **error)
{
  /* Only now: a file that is there is left alone until there is another. */
  if (dump->output == NULL)
    dump->output = fcctl_output_open (dump->path, dump->follow, error);
  return dump->output != NULL
         && fcctl_output_write (dump->output, frame->data, frame->size, error)
         && write_meta (dump, frame, error);
}

/* Whether the ring that is attached now goes on in the same format. */
static gboolean
take_format (Dump *dump)
{
  g_autoptr (GBytes) format = NULL;
  const void *data = NULL;
  gsize size = 0;

  if (fc_consumer_format (dump->consumer, &data, &size) < 0)
    return TRUE; /* reserved, and none yet: with its first frame */
  format = g_bytes_new (data, size);
  if (dump->format != NULL)
    return g_bytes_equal (dump->format, format);
  dump->format = g_steal_pointer (&format);
  dump->escaped = fcctl_escape (data, size);
  return TRUE;
}

static gint64
bound (const Dump *dump)
{
  return dump->follow && dump->taken > 0 ? FC_FOREVER : dump->wait;
}

/* The next frame, which may be of another ring than the one before. Returns
 * as fc_consumer_read (), but for FC_REPLACED. */
static int
next_frame (Dump *dump, fc_frame_t *frame)
{
  gint64 wait = bound (dump);
  gint64 until = g_get_monotonic_time () + wait / 1000;

  for (;;)
    {
      int r = fc_consumer_read (dump->consumer, frame, wait);

      if (r == FC_REPLACED)
        {
          r = fc_consumer_attach (dump->consumer, wait);
          if (r < 0)
            return r;
        }
      /* Said anew for each quarter of a second without a writer. */
      else if (r != FC_WRITER_LOST
               || (wait >= 0 && g_get_monotonic_time () >= until))
        return r;
    }
}

static int
say_end (const Dump *dump, int r)
{
  if (r == -ENOENT && dump->taken == 0)
    return fcctl_fail (r);
  if (r == FC_TIMEOUT)
    return fcctl_say ("slot %s: no frame in %g s; is its writer stalled? "
                      "--wait waits longer",
                      dump->slot, (gdouble) dump->wait / 1e9);
  if (dump->taken > 0)
    return fcctl_say ("%s; %" G_GUINT64_FORMAT " of %d frames were taken",
                      fc_error_detail (), dump->taken, dump->count);
  return fcctl_say ("%s", fc_error_detail ());
}

/* Returns an exit code. */
static int
copy_frames (Dump *dump)
{
  while (dump->follow || dump->taken < (guint64) dump->count)
    {
      g_autoptr (GError) error = NULL;
      fc_frame_t frame = FC_FRAME_INIT;
      int r = next_frame (dump, &frame);

      if (dump->follow && dump->taken > 0
          && (r == FC_EOS || r == FC_INTERRUPTED))
        return FCCTL_OK;
      if (r == FC_INTERRUPTED)
        return FCCTL_FAILED;
      if (r < 0)
        return say_end (dump, r);
      if (!take_format (dump))
        return fcctl_say ("slot %s has another format now: stopped after "
                          "%" G_GUINT64_FORMAT " frames",
                          dump->slot, dump->taken);
      if ((frame.info.flags & FC_FRAME_GAP) != 0)
        continue;
      if (!write_frame (dump, &frame, &error))
        return fcctl_interrupted () ? FCCTL_FAILED : say_error (error);
      dump->dropped += dump->taken > 0 ? frame.dropped : 0;
      dump->taken++;
    }
  return FCCTL_OK;
}

/* Returns an exit code. */
static int
finish (Dump *dump, int code)
{
  g_autoptr (GError) error = NULL;

  /* What was followed is in its place already, and stays. */
  if (code == FCCTL_OK && dump->output != NULL
      && !fcctl_output_finish (g_steal_pointer (&dump->output), &error))
    code = say_error (error);
  if (code == FCCTL_OK && dump->meta != NULL
      && !fcctl_output_finish (g_steal_pointer (&dump->meta), &error))
    code = say_error (error);
  fcctl_output_abandon (dump->output);
  fcctl_output_abandon (dump->meta);
  if (dump->dropped > 0)
    fcctl_say ("slot %s: %" G_GUINT64_FORMAT " frames between those that were "
               "taken were lost: what they were written to was too slow",
               dump->slot, dump->dropped);
  return code;
}

static int
run (Dump *dump, const fc_consumer_options_t *options)
{
  int r = fc_consumer_open (&dump->consumer, dump->slot, options);
  int code;

  if (r == 0)
    {
      fcctl_interrupt_set (dump->consumer);
      r = fc_consumer_attach (dump->consumer, dump->wait);
    }
  code = r == FC_INTERRUPTED ? FCCTL_FAILED
         : r < 0             ? fcctl_fail (r)
                             : finish (dump, copy_frames (dump));
  fcctl_interrupt_set (NULL);
  fc_consumer_close (dump->consumer);
  g_clear_pointer (&dump->format, g_bytes_unref);
  g_free (dump->escaped);
  if (code != FCCTL_OK)
    fcctl_interrupt_raise ();
  return code;
}

/* -------------------------------------------------------------------------- */

static gboolean
take_start (const gchar *name, fc_position_t *position)
{
  static const struct
  {
    const gchar *name;
    fc_start_t start;
  } starts[] = {
    { "latest", FC_START_LATEST },
    { "key", FC_START_KEY },
    { "oldest", FC_START_OLDEST },
    { "live", FC_START_LIVE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (starts); i++)
    if (g_strcmp0 (name != NULL ? name : "latest", starts[i].name) == 0)
      {
        position->start = starts[i].start;
        return TRUE;
      }
  fcctl_say ("--start is latest, key, oldest or live, not \"%s\"", name);
  return FALSE;
}

static gboolean
check (const Dump *dump, gdouble wait)
{
  if (!(wait >= 0 && wait <= 1e9))
    fcctl_say ("--wait is a time in seconds, not %g", wait);
  else if (dump->count < 1)
    fcctl_say ("--frames is a number from 1 on, not %d", dump->count);
  else if (fcctl_json && g_str_equal (dump->path, "-"))
    fcctl_say ("--json takes standard output: name a FILE for the frames, or "
               "one for what goes with them with --meta");
  else
    return TRUE;
  return FALSE;
}

int
fcctl_dump (int argc, char **argv)
{
  Dump dump = { .count = 1, .path = "-" };
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  gdouble wait = 5;
  gboolean attach = FALSE;
  g_autofree gchar *start = NULL;
  g_autofree gchar *meta = NULL;
  const GOptionEntry entries[]
      = { { "frames", 'n', 0, G_OPTION_ARG_INT, &dump.count,
            "So many frames, one behind the other (1)", "N" },
          { "follow", 'f', 0, G_OPTION_ARG_NONE, &dump.follow,
            "All frames until the stream ends, or Ctrl-C", NULL },
          { "start", 's', 0, G_OPTION_ARG_STRING, &start,
            "Begin with the latest frame, the newest key, the oldest, or live",
            "WHERE" },
          { "meta", 'm', 0, G_OPTION_ARG_FILENAME, &meta,
            "Write a line of JSON for each frame; - is standard error",
            "FILE" },
          { "wait", 'w', 0, G_OPTION_ARG_DOUBLE, &wait,
            "Wait so long for the slot, and for each frame (5)", "SECONDS" },
          { "attach", 'a', 0, G_OPTION_ARG_NONE, &attach,
            "As a consumer that the slot knows of, not an observer", NULL },
          { 0 } };

  if (!fcctl_parse (&argc, &argv, entries, "SLOT [FILE]", 1, 2,
                    "Write a slot's newest frame, its bytes as they are, to "
                    "FILE or standard output.",
                    NULL)
      || !take_start (start, &options.position))
    return FCCTL_USAGE;
  dump.slot = argv[1];
  if (argc > 2)
    dump.path = argv[2];
  if (!check (&dump, wait))
    return FCCTL_USAGE;
  dump.meta_path = meta;
  dump.wait = (gint64) (wait * 1e9);
  options.dir = fcctl_directory;
  options.observe = !attach;
  options.detached = 1;
  return run (&dump, &options);
}
