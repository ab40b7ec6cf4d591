/* fc-consumer-stats: run a pipeline that reads a slot, and say how it went
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * usage: fc-consumer-stats [--seconds N] PIPELINE
 *
 * PIPELINE is what gst-launch-1.0 takes, with one fcsrc in it. On standard
 * output is one line of JSON for each message of fcsrc's, and one at the end
 * with the frames received and fcsrc's statistics. Exits with 0 unless the
 * pipeline failed.
 *
 *   fc-consumer-stats --seconds 10 'fcsrc slot=cam0 ! fakesink'
 *
 * An application of its own would do the same: a pipeline, a bus, and the
 * element messages and the stats property of fcsrc.
 */
#include <gst/gst.h>
#include <glib-unix.h>
#include <string.h>

typedef struct
{
  GMainLoop *loop;
  GstElement *source;
  gint64 began;  /* µs, as g_get_monotonic_time () */
  gint received; /* frames that left fcsrc; atomic */
  gint64 first;  /* µs: when the first and the newest did; under lock */
  gint64 newest;
  GMutex lock;
  gboolean failed;
} Run;

static gboolean
append_field (GQuark field, const GValue *value, gpointer user_data)
{
  GString *line = user_data;
  g_autofree gchar *text = NULL;

  g_string_append_printf (line, ", \"%s\": ", g_quark_to_string (field));
  if (G_VALUE_HOLDS_BOOLEAN (value))
    g_string_append (line, g_value_get_boolean (value) ? "true" : "false");
  else if (G_VALUE_HOLDS_INT (value) || G_VALUE_HOLDS_UINT (value)
           || G_VALUE_HOLDS_INT64 (value) || G_VALUE_HOLDS_UINT64 (value)
           || G_VALUE_HOLDS_DOUBLE (value))
    {
      text = g_strdup_value_contents (value);
      g_string_append (line, text);
    }
  else
    {
      text = gst_value_serialize (value);
      g_strdelimit (text, "\"\\", '\'');
      g_string_append_printf (line, "\"%s\"", text ? text : "");
    }
  return TRUE;
}

/* One line: what happened, when, how many frames until then, and FIELDS. */
static void
print_event (Run *run, const gchar *event, const GstStructure *fields)
{
  g_autoptr (GString) line = g_string_new (NULL);

  g_string_append_printf (line,
                          "{\"event\": \"%s\", \"time\": %.3f, "
                          "\"received\": %d",
                          event, (g_get_monotonic_time () - run->began) / 1e6,
                          g_atomic_int_get (&run->received));
  if (fields)
    gst_structure_foreach (fields, append_field, line);
  g_print ("%s}\n", line->str);
}

static GstPadProbeReturn
on_frame (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  Run *run = user_data;

  g_mutex_lock (&run->lock);
  run->newest = g_get_monotonic_time ();
  if (run->first == 0)
    run->first = run->newest;
  g_mutex_unlock (&run->lock);
  if (g_atomic_int_add (&run->received, 1) == 0)
    print_event (run, "first-frame", NULL);
  return GST_PAD_PROBE_OK;
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer user_data)
{
  Run *run = user_data;

  switch (GST_MESSAGE_TYPE (message))
    {
    case GST_MESSAGE_ELEMENT:
      if (GST_MESSAGE_SRC (message) == GST_OBJECT (run->source))
        print_event (
            run, gst_structure_get_name (gst_message_get_structure (message)),
            gst_message_get_structure (message));
      break;
    case GST_MESSAGE_ERROR:
      {
        g_autoptr (GError) error = NULL;
        g_autofree gchar *debug = NULL;

        gst_message_parse_error (message, &error, &debug);
        g_printerr ("%s: %s\n%s\n", GST_MESSAGE_SRC_NAME (message),
                    error->message, debug ? debug : "");
        run->failed = TRUE;
        g_main_loop_quit (run->loop);
        break;
      }
    case GST_MESSAGE_EOS:
      g_main_loop_quit (run->loop);
      break;
    default:
      break;
    }
  return G_SOURCE_CONTINUE;
}

static gboolean
on_quit (gpointer user_data)
{
  g_main_loop_quit (((Run *) user_data)->loop);
  return G_SOURCE_CONTINUE;
}

/* The fcsrc in PIPELINE; the caller's reference. */
static GstElement *
find_source (GstElement *pipeline)
{
  g_autoptr (GstIterator) all = gst_bin_iterate_sources (GST_BIN (pipeline));
  g_auto (GValue) item = G_VALUE_INIT;

  while (gst_iterator_next (all, &item) == GST_ITERATOR_OK)
    {
      GstElement *element = g_value_get_object (&item);
      GstElementFactory *factory = gst_element_get_factory (element);

      if (g_strcmp0 (GST_OBJECT_NAME (factory), "fcsrc") == 0)
        return gst_object_ref (element);
      g_value_reset (&item);
    }
  return NULL;
}

static void
print_end (Run *run)
{
  g_autoptr (GstStructure) stats = NULL;

  g_object_get (run->source, "stats", &stats, NULL);
  if (stats == NULL)
    stats = gst_structure_new_empty ("stats");
  gst_structure_set (stats, "run-seconds", G_TYPE_DOUBLE,
                     (run->newest - run->first) / 1e6, "frame-rate",
                     G_TYPE_DOUBLE,
                     run->newest > run->first ? (run->received - 1) * 1e6
                                                    / (run->newest - run->first)
                                              : 0.0,
                     NULL);
  print_event (run, "end", stats);
}

static int
run_pipeline (Run *run, GstElement *pipeline, gint seconds)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstPad) pad = NULL;
  GstStateChangeReturn change;

  run->source = find_source (pipeline);
  if (run->source == NULL)
    {
      g_printerr ("there is no fcsrc in the pipeline\n");
      return 2;
    }
  pad = gst_element_get_static_pad (run->source, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, run, NULL);
  gst_bus_add_watch (bus, on_message, run);
  g_unix_signal_add (SIGINT, on_quit, run);
  g_unix_signal_add (SIGTERM, on_quit, run);
  if (seconds > 0)
    g_timeout_add_seconds (seconds, on_quit, run);

  run->began = g_get_monotonic_time ();
  change = gst_element_set_state (pipeline, GST_STATE_PLAYING);
  if (change != GST_STATE_CHANGE_FAILURE)
    print_event (run, "playing", NULL);
  else
    {
      /* The error is on the bus already, or there is none. */
      run->failed = TRUE;
      g_timeout_add_seconds (1, on_quit, run);
    }
  g_main_loop_run (run->loop);
  print_end (run);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  gst_object_unref (run->source);
  return run->failed ? 1 : 0;
}

int
main (int argc, char **argv)
{
  gint seconds = 0;
  g_auto (GStrv) words = NULL;
  GOptionEntry options[]
      = { { "seconds", 's', 0, G_OPTION_ARG_INT, &seconds,
            "End after N seconds", "N" },
          { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &words, NULL,
            "PIPELINE" },
          { NULL, 0, 0, 0, NULL, NULL, NULL } };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = NULL;
  g_autofree gchar *text = NULL;
  Run run = { 0 };
  int result;

  g_option_context_add_main_entries (context, options, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error) || !words)
    {
      g_printerr ("%s\n", error ? error->message : "no PIPELINE given");
      return 2;
    }
  text = g_strjoinv (" ", words);
  pipeline = gst_parse_launch (text, &error);
  if (error != NULL)
    {
      g_printerr ("%s\n", error->message);
      return 2;
    }
  /* One element alone is no pipeline: it can not have an fcsrc and a sink. */
  if (!GST_IS_PIPELINE (pipeline))
    {
      g_printerr ("this is not a pipeline: %s\n", text);
      return 2;
    }

  g_mutex_init (&run.lock);
  run.loop = g_main_loop_new (NULL, FALSE);
  result = run_pipeline (&run, pipeline, seconds);
  g_main_loop_unref (run.loop);
  g_mutex_clear (&run.lock);
  return result;
}
