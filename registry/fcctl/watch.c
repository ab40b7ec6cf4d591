/* framecache: fcctl watch
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <glib-unix.h>
#include <string.h>

#include "columns.h"
#include "meter.h"

/* Lines after which a terminal gets the titles again. */
#define TITLES_EVERY 20

enum
{
  TIME,
  RATE,
  BIT_RATE,
  DROPS,
  GAPS,
  HAND_OVER, /* from the writer's commit to here */
  LATENCY,   /* from the capture to here */
  N_COLUMNS
};

static const FcctlColumn all_columns[N_COLUMNS + 1] = {
  { "TIME", 8, 0, 5 },      { ">RATE", 7, 0, 0 }, { ">BIT RATE", 11, 0, 4 },
  { ">DROPS", 5, 0, 0 },    { ">GAPS", 4, 0, 3 }, { ">HAND-OVER", 16, 0, 1 },
  { ">LATENCY", 16, 0, 2 }, { NULL, 0, 0, 0 },
};

typedef struct
{
  const gchar *slot;
  FcctlMeter *meter;
  GMainLoop *loop;
  FcctlColumn columns[N_COLUMNS + 1];
  int count;     /* lines left; 0: without end */
  guint printed; /* lines of numbers */
  gchar *titles; /* as they were last printed */
  FcctlCounts total;
  FcctlCounts since; /* the line before */
  guint64 elapsed_ns, total_ns;
  int result; /* an exit code */
} Watch;

/* JSON --------------------------------------------------------------------- */

static JsonBuilder *
begin_json (const Watch *watch, const gchar *type)
{
  JsonBuilder *builder = json_builder_begin_object (json_builder_new ());

  fcctl_json_string (builder, "type", type);
  fcctl_json_string (builder, "slot", watch->slot);
  fcctl_json_uint (builder, "wall_ns", (guint64) g_get_real_time () * 1000);
  return builder;
}

static void
print_json_counts (const Watch *watch, const gchar *type,
                   const FcctlCounts *counts, guint64 elapsed_ns,
                   const FcctlReading *reading)
{
  JsonBuilder *builder = begin_json (watch, type);
  gdouble seconds = (gdouble) MAX (elapsed_ns, 1) / 1e9;

  fcctl_json_uint (builder, "generation", reading->generation);
  fcctl_json_uint (builder, "epoch", reading->epoch);
  fcctl_json_bool (builder, "observing", reading->observing);
  fcctl_json_uint (builder, "elapsed_ns", elapsed_ns);
  fcctl_json_uint (builder, "frames", counts->frames);
  fcctl_json_uint (builder, "key_frames", counts->keys);
  fcctl_json_uint (builder, "bytes", counts->bytes);
  fcctl_json_double (builder, "frame_rate", (gdouble) counts->frames / seconds);
  fcctl_json_double (builder, "bit_rate",
                     8.0 * (gdouble) counts->bytes / seconds);
  fcctl_json_uint (builder, "dropped", counts->dropped);
  fcctl_json_uint (builder, "laps", counts->laps);
  fcctl_json_uint (builder, "gaps", counts->gaps);
  fcctl_json_uint (builder, "gap_ns", counts->gap_ns);
  fcctl_histogram_json (&counts->commit_to_here, builder, "commit_to_here_ns");
  fcctl_histogram_json (&counts->capture_to_here, builder,
                        "capture_to_here_ns");
  fcctl_histogram_json (&counts->capture_to_commit, builder,
                        "capture_to_commit_ns");
  fcctl_print_json_line (json_builder_end_object (builder));
}

/* Text --------------------------------------------------------------------- */

static gchar *
time_text (void)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();

  return g_date_time_format (now, "%T");
}

static gchar *
count_text (const gchar *color, guint64 count)
{
  return g_strdup_printf ("%s%" G_GUINT64_FORMAT "%s", count > 0 ? color : "",
                          count, count > 0 ? fcctl_plain () : "");
}

/* Once; on a terminal again where they have moved, and now and then. */
static void
print_titles (Watch *watch, guint width)
{
  gchar *line = fcctl_columns_line (watch->columns, NULL, width);
  gboolean again = g_strcmp0 (line, watch->titles) != 0
                   || watch->printed % TITLES_EVERY == 0;

  if (watch->printed == 0 || (width > 0 && again))
    printf ("%s%s%s\n", fcctl_bold (), line, fcctl_plain ());
  g_free (watch->titles);
  watch->titles = line;
}

static void
print_counts (Watch *watch)
{
  const FcctlCounts *counts = &watch->since;
  gdouble seconds = (gdouble) MAX (watch->elapsed_ns, 1) / 1e9;
  guint width = fcctl_width ();
  /* A narrow terminal gets the two that say most. */
  gboolean whole = width == 0 || width >= 80;
  g_auto (GStrv) row = g_new0 (gchar *, N_COLUMNS + 1);
  g_autofree gchar *line = NULL;

  row[TIME] = time_text ();
  row[RATE] = fcctl_frame_rate ((gdouble) counts->frames / seconds);
  row[BIT_RATE] = fcctl_bit_rate (8.0 * (gdouble) counts->bytes / seconds);
  row[DROPS] = count_text (fcctl_red (), counts->dropped);
  row[GAPS] = count_text (fcctl_yellow (), counts->gaps);
  row[HAND_OVER] = fcctl_histogram_text (&counts->commit_to_here, whole);
  row[LATENCY] = fcctl_histogram_text (&counts->capture_to_here, whole);
  if (!whole)
    watch->columns[HAND_OVER].width = watch->columns[LATENCY].width = 0;
  fcctl_columns_measure (watch->columns, (const gchar *const *) row);
  print_titles (watch, width);
  line = fcctl_columns_line (watch->columns, (const gchar *const *) row, width);
  printf ("%s\n", line);
}

static void
print_event (const Watch *watch, const FcctlMeterEvent *event)
{
  if (fcctl_json)
    {
      JsonBuilder *builder = begin_json (watch, "event");

      fcctl_json_string (builder, "event", event->id);
      fcctl_json_string (builder, "text", event->text);
      fcctl_print_json_line (json_builder_end_object (builder));
    }
  else
    {
      g_autofree gchar *time = time_text ();
      g_autofree gchar *text
          = g_strdup_printf ("%s  %s: %s", time, watch->slot, event->text);
      guint width = fcctl_width ();
      g_autofree gchar *line
          = width > 0 ? fcctl_cut (text, width) : g_strdup (text);

      printf ("%s%s%s\n", fcctl_dim (), line, fcctl_plain ());
    }
}

static void
print_delay (const gchar *name, const FcctlHistogram *histogram,
             const gchar *what)
{
  g_autofree gchar *text = fcctl_histogram_text (histogram, TRUE);

  printf ("  %-10s %s, %s\n", name, text, what);
}

static void
print_summary (const Watch *watch, const FcctlReading *reading)
{
  const FcctlCounts *total = &watch->total;
  gdouble seconds = (gdouble) MAX (watch->total_ns, 1) / 1e9;
  g_autofree gchar *duration = fcctl_duration (watch->total_ns);
  g_autofree gchar *bytes = fcctl_bytes (total->bytes);
  g_autofree gchar *rate = fcctl_frame_rate ((gdouble) total->frames / seconds);

  if (fcctl_json)
    {
      print_json_counts (watch, "summary", total, watch->total_ns, reading);
      return;
    }
  printf ("\n%s: %" G_GUINT64_FORMAT " frames in %s, %s, %s, %" G_GUINT64_FORMAT
          " key frames\n",
          watch->slot, total->frames, duration, rate, bytes, total->keys);
  printf ("  dropped    %" G_GUINT64_FORMAT " in %" G_GUINT64_FORMAT " laps\n",
          total->dropped, total->laps);
  printf ("  gaps       %" G_GUINT64_FORMAT "\n", total->gaps);
  if (total->frames == 0)
    return;
  print_delay ("hand-over", &total->commit_to_here,
               "commit to here: min/p50/p99/max");
  print_delay ("latency", &total->capture_to_here, "capture to here");
  print_delay ("writer", &total->capture_to_commit, "capture to commit");
}

/* -------------------------------------------------------------------------- */

static void
failed (Watch *watch, const FcctlReading *reading)
{
  if (watch->result != FCCTL_OK)
    return; /* said already */
  fcctl_say ("%s", reading->sentence);
  watch->result = reading->result == -ENOENT   ? FCCTL_NO_SLOT
                  : reading->result == -EINVAL ? FCCTL_USAGE
                                               : FCCTL_FAILED;
  g_main_loop_quit (watch->loop);
}

/* What came since the reading before; the caller's to free. */
static FcctlReading *
take (Watch *watch)
{
  FcctlReading *reading = fcctl_meter_take (watch->meter);

  fcctl_counts_merge (&watch->since, &reading->counts);
  fcctl_counts_merge (&watch->total, &reading->counts);
  if (reading->generation > 0)
    {
      watch->elapsed_ns += reading->elapsed_ns;
      watch->total_ns += reading->elapsed_ns;
    }
  for (guint i = 0; i < reading->events->len; i++)
    print_event (watch, g_ptr_array_index (reading->events, i));
  if (reading->state == FCCTL_METER_FAILED)
    failed (watch, reading);
  fflush (stdout);
  return reading;
}

static gboolean
on_ready (gpointer user_data)
{
  fcctl_reading_free (take (user_data));
  return G_SOURCE_REMOVE;
}

static gboolean
on_second (gpointer user_data)
{
  Watch *watch = user_data;
  g_autoptr (FcctlReading) reading = take (watch);

  if (reading->state == FCCTL_METER_FAILED)
    return G_SOURCE_CONTINUE;
  if (reading->generation == 0)
    return G_SOURCE_CONTINUE; /* no slot yet: nothing to tell of */
  if (fcctl_json)
    print_json_counts (watch, "second", &watch->since, watch->elapsed_ns,
                       reading);
  else
    print_counts (watch);
  watch->printed++;
  memset (&watch->since, 0, sizeof watch->since);
  watch->elapsed_ns = 0;
  if (fflush (stdout) != 0 || (watch->count > 0 && --watch->count == 0))
    g_main_loop_quit (watch->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_signal (gpointer user_data)
{
  g_main_loop_quit (((Watch *) user_data)->loop);
  return G_SOURCE_CONTINUE;
}

static int
run (Watch *watch, gboolean observe, gint64 wait)
{
  watch->loop = g_main_loop_new (NULL, FALSE);
  g_unix_signal_add (SIGINT, on_signal, watch);
  g_unix_signal_add (SIGTERM, on_signal, watch);
  g_timeout_add (1000, on_second, watch);
  watch->meter = fcctl_meter_new (fcctl_directory, watch->slot, observe, wait,
                                  on_ready, watch);
  g_main_loop_run (watch->loop);
  if (watch->result == FCCTL_OK)
    {
      g_autoptr (FcctlReading) last = take (watch);

      print_summary (watch, last);
    }
  fcctl_meter_free (watch->meter);
  g_main_loop_unref (watch->loop);
  g_free (watch->titles);
  return watch->result;
}

int
fcctl_watch (int argc, char **argv)
{
  g_autofree Watch *watch = g_new0 (Watch, 1);
  gboolean observe = FALSE;
  gdouble wait = 0;
  const GOptionEntry entries[]
      = { { "observe", 'o', 0, G_OPTION_ARG_NONE, &observe,
            "As an observer, of whom the slot knows nothing", NULL },
          { "wait", 'w', 0, G_OPTION_ARG_DOUBLE, &wait,
            "Wait so long for a slot that is not there (0)", "SECONDS" },
          { "count", 'c', 0, G_OPTION_ARG_INT, &watch->count,
            "End after so many seconds with the slot", "N" },
          { 0 } };

  memcpy (watch->columns, all_columns, sizeof watch->columns);
  if (!fcctl_parse (&argc, &argv, entries, "SLOT", 1, 1,
                    "Attach to a slot as a consumer, take and let go of every "
                    "frame, and print\neach second what came: rate, drops, "
                    "latencies, gaps.",
                    "Follows the slot through new formats and new writers. "
                    "Ctrl-C ends it with a\nsummary."))
    return FCCTL_USAGE;
  if (!(wait >= 0 && wait <= 1e9) || watch->count < 0)
    {
      fcctl_say ("--wait is a time in seconds and --count a number, both not "
                 "negative");
      return FCCTL_USAGE;
    }
  watch->slot = argv[1];
  return run (watch, observe, (gint64) (wait * 1e9));
}
