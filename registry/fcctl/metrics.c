/* framecache: fcctl metrics
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "fcctl.h"
#include "http.h"

#define FORMAT_COLUMNS 512 /* of a format in a label; the rest is left out */

/* What is told of --------------------------------------------------------- */

typedef struct
{
  fc_slot_stat_t stat;
  gchar *labels;   /* slot="cam0" */
  gboolean hidden; /* its consumers may not be seen */
  GArray *consumers;
} Slot;

typedef struct
{
  fc_consumer_stat_t stat;
  gchar *labels;
} Consumer;

/* KEY="VALUE", as the format wants it; VALUE has been through fcctl_escape ().
 */
static gchar *
label (const gchar *key, const gchar *value)
{
  g_autoptr (GString) escaped = g_string_new (value);

  g_string_replace (escaped, "\\", "\\\\", 0);
  g_string_replace (escaped, "\"", "\\\"", 0);
  return g_strdup_printf ("%s=\"%s\"", key, escaped->str);
}

static void
clear_slot (gpointer data)
{
  Slot *slot = data;

  g_free (slot->labels);
  g_array_unref (slot->consumers);
}

static void
clear_consumer (gpointer data)
{
  g_free (((Consumer *) data)->labels);
}

static int
add_consumer (const fc_consumer_stat_t *stat, void *user_data)
{
  Slot *slot = user_data;
  g_autofree gchar *plain
      = fcctl_escape (stat->name, strnlen (stat->name, sizeof stat->name));
  g_autofree gchar *name = label ("name", plain);
  Consumer consumer = { *stat, NULL };

  consumer.labels
      = g_strdup_printf ("%s,entry=\"%u\",pid=\"%u\",%s", slot->labels,
                         stat->entry, stat->pid, name);
  g_array_append_val (slot->consumers, consumer);
  return 0;
}

static int
add_slot (const fc_slot_stat_t *stat, void *user_data)
{
  Slot slot = { *stat, label ("slot", stat->name), FALSE,
                g_array_new (FALSE, FALSE, sizeof (Consumer)) };

  g_array_set_clear_func (slot.consumers, clear_consumer);
  slot.hidden
      = fc_slot_consumers (stat->dir, stat->name, add_consumer, &slot) < 0;
  g_array_append_val ((GArray *) user_data, slot);
  return 0;
}

/* Metrics ----------------------------------------------------------------- */

typedef enum
{
  COUNT, /* a number as it is */
  TABLE, /* a number that is known where the consumers may be seen */
  NS,    /* ns, told in seconds */
  NEWEST /* the wall's time of the newest frame, if there is one */
} Kind;

typedef struct
{
  const gchar *name;
  const gchar *type;
  const gchar *help;
  gsize offset, size; /* of the field */
  Kind kind;
} Metric;

#define FIELD(of, field) offsetof (of, field), sizeof (((of *) NULL)->field)

static const Metric slot_metrics[] = {
  { "slot_frames_total", "counter", "Frames committed to the slot.",
    FIELD (fc_slot_stat_t, head), COUNT },
  { "slot_payload_bytes_total", "counter",
    "Bytes of the frames committed to this ring.",
    FIELD (fc_slot_stat_t, bytes_total), COUNT },
  { "slot_writer_dropped_frames_total", "counter",
    "Frames that the writer dropped because memory was out.",
    FIELD (fc_slot_stat_t, writer_dropped), COUNT },
  { "slot_history_shortened_frames_total", "counter",
    "Frames that left the history early because memory was out.",
    FIELD (fc_slot_stat_t, history_shortened), COUNT },
  { "slot_newest_frame_timestamp_seconds", "gauge",
    "When the newest frame was committed, seconds since 1970.",
    FIELD (fc_slot_stat_t, newest_commit_ns), NEWEST },
  { "slot_created_timestamp_seconds", "gauge",
    "When the ring was made, seconds since 1970.",
    FIELD (fc_slot_stat_t, created_wall_ns), NS },
  { "slot_declared_latency_seconds", "gauge",
    "Latency that the writer declares.", FIELD (fc_slot_stat_t, latency_ns),
    NS },
  { "slot_frame_size_bytes", "gauge", "Bytes of the largest frame.",
    FIELD (fc_slot_stat_t, frame_size), COUNT },
  { "slot_ring_depth_frames", "gauge", "Frames of history.",
    FIELD (fc_slot_stat_t, ring_depth), COUNT },
  { "slot_allocated_bytes", "gauge", "Shared memory that the slot has now.",
    FIELD (fc_slot_stat_t, bytes_allocated), COUNT },
  { "slot_planned_bytes", "gauge", "Shared memory that it has at the most.",
    FIELD (fc_slot_stat_t, bytes_planned), COUNT },
  { "slot_consumers", "gauge", "Consumers attached.",
    FIELD (fc_slot_stat_t, consumers), TABLE },
  { "slot_max_consumers", "gauge", "Consumers that there is room for.",
    FIELD (fc_slot_stat_t, max_consumers), COUNT },
  { "slot_generation", "gauge", "Which life of the slot's files this is.",
    FIELD (fc_slot_stat_t, generation), COUNT },
  { "slot_epoch", "gauge", "Which life of a writer on these files this is.",
    FIELD (fc_slot_stat_t, epoch), COUNT },
  { "slot_reserved", "gauge", "1 where the slot outlives its writers.",
    FIELD (fc_slot_stat_t, reserved), COUNT },
};

static const Metric consumer_metrics[] = {
  { "consumer_delivered_frames_total", "counter",
    "Frames that the consumer has had.", FIELD (fc_consumer_stat_t, delivered),
    COUNT },
  { "consumer_dropped_frames_total", "counter",
    "Frames that the consumer has lost.", FIELD (fc_consumer_stat_t, dropped),
    COUNT },
  { "consumer_leases", "gauge", "Frames that the consumer holds.",
    FIELD (fc_consumer_stat_t, leases), COUNT },
};

static void
head (GString *out, const gchar *name, const gchar *type, const gchar *help)
{
  g_string_append_printf (out,
                          "# HELP framecache_%s %s\n"
                          "# TYPE framecache_%s %s\n",
                          name, help, name, type);
}

/* Nanoseconds are told to the last one, which a double could not. */
static void
sample (GString *out, const Metric *metric, const gchar *labels,
        gconstpointer stat)
{
  gconstpointer at = (const guint8 *) stat + metric->offset;
  guint64 value
      = metric->size == 8 ? *(const guint64 *) at : *(const guint32 *) at;

  if (metric->kind == NEWEST)
    {
      if (value == FC_TIME_NONE)
        return;
      value = (guint64) g_get_real_time () * 1000 - fcctl_age (stat);
    }
  g_string_append_printf (out, "framecache_%s{%s} ", metric->name, labels);
  if (metric->kind == COUNT || metric->kind == TABLE)
    g_string_append_printf (out, "%" G_GUINT64_FORMAT "\n", value);
  else
    g_string_append_printf (out, "%" G_GUINT64_FORMAT ".%09u\n",
                            value / 1000000000, (guint) (value % 1000000000));
}

static void
tell_states (GString *out, const GArray *slots)
{
  static const gchar *const states[]
      = { "reserved", "live", "stalled", "eos", "replaced", "removed", "lost" };

  head (out, "slot_state", "gauge", "1 at the state that the slot is in.");
  for (guint i = 0; i < slots->len; i++)
    for (guint k = 0; k < G_N_ELEMENTS (states); k++)
      {
        const Slot *slot = &g_array_index (slots, Slot, i);

        g_string_append_printf (
            out, "framecache_slot_state{%s,state=\"%s\"} %d\n", slot->labels,
            states[k], g_str_equal (states[k], fcctl_state (&slot->stat)));
      }
}

static void
tell_info (GString *out, const GArray *slots)
{
  head (out, "slot_info", "gauge", "1, with what does not change of a ring.");
  for (guint i = 0; i < slots->len; i++)
    {
      const Slot *slot = &g_array_index (slots, Slot, i);
      const fc_slot_stat_t *stat = &slot->stat;
      g_autofree gchar *plain_dir
          = fcctl_escape (stat->dir, strlen (stat->dir));
      g_autofree gchar *dir = label ("directory", plain_dir);
      g_autofree gchar *plain
          = fcctl_format (stat->dir, stat->name, FORMAT_COLUMNS);
      g_autofree gchar *format = label ("format", plain);

      g_string_append_printf (
          out, "framecache_slot_info{%s,%s,access=\"%s\",trust=\"%s\",%s} 1\n",
          slot->labels, dir, fcctl_share (stat->access),
          fcctl_share (stat->trust), format);
    }
}

static void
tell_consumers (GString *out, const GArray *slots)
{
  for (guint m = 0; m < G_N_ELEMENTS (consumer_metrics); m++)
    {
      const Metric *metric = &consumer_metrics[m];

      head (out, metric->name, metric->type, metric->help);
      for (guint i = 0; i < slots->len; i++)
        {
          const Slot *slot = &g_array_index (slots, Slot, i);

          for (guint k = 0; k < slot->consumers->len; k++)
            {
              const Consumer *consumer
                  = &g_array_index (slot->consumers, Consumer, k);

              sample (out, metric, consumer->labels, &consumer->stat);
            }
        }
    }
}

static void
tell_lags (GString *out, const GArray *slots)
{
  head (out, "consumer_lag_frames", "gauge",
        "Frames that the consumer has yet to take.");
  for (guint i = 0; i < slots->len; i++)
    {
      const Slot *slot = &g_array_index (slots, Slot, i);

      for (guint k = 0; k < slot->consumers->len; k++)
        {
          const Consumer *consumer
              = &g_array_index (slot->consumers, Consumer, k);

          g_string_append_printf (
              out, "framecache_consumer_lag_frames{%s} %" G_GUINT64_FORMAT "\n",
              consumer->labels, fcctl_lag (&slot->stat, &consumer->stat));
        }
    }
}

/* All samples of one metric have to stand together. */
static GString *
tell (const GArray *slots)
{
  GString *out = g_string_new (NULL);

  head (out, "build_info", "gauge", "1, with the version of framecache.");
  g_string_append_printf (out, "framecache_build_info{version=\"%s\"} 1\n",
                          fc_version ());
  head (out, "slots", "gauge", "Slots that can be read.");
  g_string_append_printf (out, "framecache_slots %u\n", slots->len);
  tell_info (out, slots);
  tell_states (out, slots);
  for (guint m = 0; m < G_N_ELEMENTS (slot_metrics); m++)
    {
      const Metric *metric = &slot_metrics[m];

      head (out, metric->name, metric->type, metric->help);
      for (guint i = 0; i < slots->len; i++)
        {
          const Slot *slot = &g_array_index (slots, Slot, i);

          if (metric->kind != TABLE || !slot->hidden)
            sample (out, metric, slot->labels, &slot->stat);
        }
    }
  tell_consumers (out, slots);
  tell_lags (out, slots);
  return out;
}

/* The command ------------------------------------------------------------- */

static int
write_file (const gchar *path, const GString *text)
{
  g_autoptr (GError) error = NULL;

  if (g_file_set_contents_full (path, text->str, (gssize) text->len,
                                G_FILE_SET_CONTENTS_CONSISTENT, 0644, &error))
    return FCCTL_OK;
  return fcctl_say ("can not write the metrics: %s", error->message);
}

static int
serve (FcctlHttp request, int r, const GString *text)
{
  if (r < 0)
    fcctl_http_answer (request, "500 Internal Server Error", "text/plain",
                       fc_error_detail ());
  else
    fcctl_http_answer (request, "200 OK",
                       "text/plain; version=0.0.4; charset=utf-8", text->str);
  return r < 0 ? fcctl_fail (r) : FCCTL_OK;
}

int
fcctl_metrics (int argc, char **argv)
{
  g_autofree gchar *output = NULL;
  gboolean http = FALSE;
  const GOptionEntry entries[]
      = { { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
            "Write into FILE, which is replaced as a whole", "FILE" },
          { "http", 0, 0, G_OPTION_ARG_NONE, &http,
            "Answer one HTTP request on standard input", NULL },
          { 0 } };
  g_autoptr (GArray) slots = g_array_new (FALSE, FALSE, sizeof (Slot));
  g_autoptr (GString) text = NULL;
  FcctlHttp request = FCCTL_HTTP_GET;
  int r;

  if (!fcctl_parse (&argc, &argv, entries, NULL, 0, 0,
                    "Print metrics of all slots and their consumers in "
                    "Prometheus' text format.",
                    NULL))
    return FCCTL_USAGE;
  if (fcctl_json || (http && output != NULL))
    {
      fcctl_say (fcctl_json ? "metrics have a format of their own; fcctl list "
                              "and fcctl show print JSON"
                            : "--http and --output exclude each other");
      return FCCTL_USAGE;
    }
  if (http)
    request = fcctl_http_read ("/metrics");
  if (request == FCCTL_HTTP_REFUSED)
    return FCCTL_FAILED;
  g_array_set_clear_func (slots, clear_slot);
  r = fc_slot_list (fcctl_directory, add_slot, slots);
  text = tell (slots);
  if (http)
    return serve (request, r, text);
  if (r < 0)
    return fcctl_fail (r);
  if (output != NULL)
    return write_file (output, text);
  fputs (text->str, stdout);
  return FCCTL_OK;
}
