/* The GStreamer bench: what one transport of frames between processes costs,
 * the programs at both ends being the same for each.
 *
 * fc-bench-gst --measure MEASURE --transport TRANSPORT (--help has the rest)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-bench-gst.h"

/* What they need: a name to meet at; for shmsink an area as large as fcsink's
 * automatic ring, and that it does not wait for a first client, as no other
 * does; for PipeWire, what makes a node of its own of the sink.
 */
const transport_t transports[] = {
  { .name = "fc",
    .sink = "fcsink slot=bench directory=DIR",
    .src = "fcsrc slot=bench directory=DIR",
    .needs = "fcsink" },
  { .name = "fc-copy",
    .sink = "fcsink slot=bench directory=DIR",
    .src = "fcsrc slot=bench directory=DIR memory=copy",
    .needs = "fcsink" },
  { .name = "shm",
    .sink = "shmsink socket-path=DIR/socket shm-size=268435456"
            " wait-for-connection=false",
    .src = "shmsrc socket-path=DIR/socket is-live=true",
    .needs = "shmsink",
    .no_pool = true,
    .needs_caps = true },
  { .name = "unixfd",
    .sink = "unixfdsink socket-path=DIR/socket",
    .src = "unixfdsrc socket-path=DIR/socket",
    .needs = "unixfdsink",
    .own_only = true },
  { .name = "pipewire",
    .sink = "pipewiresink mode=provide stream-properties=\"props,"
            "media.class=Video/Source,node.name=fc-bench\"",
    .src = "pipewiresrc target-object=fc-bench",
    .needs = "pipewiresink",
    .needs_caps = true },
  { .name = "fakesink", .sink = "fakesink", .needs = "fakesink" },
  { .name = NULL },
};

static const struct
{
  const char *name;
  unsigned width, height;
} sizes[] = {
  { "720p", 1280, 720 },
  { "1080p", 1920, 1080 },
  { "2160p", 3840, 2160 },
  { "4320p", 7680, 4320 },
};

shared_t *shared;
options_t options
    = { .config = { .transport = "fc", .consumers = 1 }, .times = 5 };

const transport_t *
find_transport (const char *name)
{
  for (const transport_t *one = transports; one->name; one++)
    if (strcmp (one->name, name) == 0)
      return one;
  return NULL;
}

/* Roles -------------------------------------------------------------------- */

char *
in_folder (const char *launch, const char *dir)
{
  g_auto (GStrv) parts = g_strsplit (launch, "DIR", -1);

  return g_strjoinv (dir, parts);
}

/* Nothing of this program runs beside the pipeline, nor does a bus fill up. */
static GstBusSyncReply
see_message (GstBus *bus, GstMessage *message, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR && !shared->leave)
    {
      gst_message_parse_error (message, &error, NULL);
      fprintf (stderr, "%s: %s\n", GST_MESSAGE_SRC_NAME (message),
               error->message);
      atomic_store (&shared->broken, true);
    }
  gst_message_unref (message);
  return GST_BUS_DROP;
}

void
run_pipeline (const char *launch, unsigned quit)
{
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (launch, &error);
  GstBus *bus;

  if (error)
    {
      fprintf (stderr, "%s: %s\n", launch, error->message);
      exit (1);
    }
  bus = gst_element_get_bus (pipeline);
  gst_bus_set_sync_handler (bus, see_message, NULL, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (sem_wait (&shared->quit[quit]) != 0)
    ;
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static const struct
{
  const char *name;
  void (*be) (unsigned index);
} roles[] = {
  { "writer", be_writer },
  { "consumer", be_consumer },
  { "bare", be_bare },
};

/* --role ROLE INDEX FD: what start_run's processes are called with. */
static int
be (const char *role, unsigned index, int fd)
{
  map_shared (fd);
  for (size_t i = 0; i < G_N_ELEMENTS (roles); i++)
    if (strcmp (roles[i].name, role) == 0)
      {
        if (roles[i].be != be_bare)
          gst_init (NULL, NULL);
        roles[i].be (index);
        return 0;
      }
  return 2;
}

/* Options ------------------------------------------------------------------ */

static bool
parse_size (const char *text)
{
  config_t *config = &options.config;
  char *rest;

  for (size_t i = 0; i < G_N_ELEMENTS (sizes); i++)
    if (strcmp (sizes[i].name, text) == 0)
      {
        config->width = sizes[i].width;
        config->height = sizes[i].height;
        config->size = (uint64_t) config->width * config->height * 3 / 2;
        return true;
      }
  config->size = g_ascii_strtoull (text, &rest, 10);
  return rest != text && *rest == '\0' && config->size >= sizeof (stamp_t)
         && config->size <= 64 << 20 && config->size % 4 == 0;
}

static int
refuse (const char *sentence)
{
  fprintf (stderr, "fc-bench-gst: %s\n", sentence);
  return 2;
}

static int
run_measure (const char *name)
{
  const transport_t *transport = find_transport (options.config.transport);
  bool measured;

  for (const measure_t *one = measures; one->name; one++)
    if (name && strcmp (one->name, name) == 0)
      {
        g_autoptr (GstElementFactory) factory
            = gst_element_factory_find (transport->needs);

        if (factory == NULL)
          {
            fprintf (stderr, "fc-bench-gst: this GStreamer has no %s\n",
                     transport->needs);
            return 1;
          }
        measured = one->measure ();
        print_rows ();
        if (!measured)
          fprintf (stderr, "%s, %s: no figure\n", name, transport->name);
        return 0;
      }
  return refuse ("--measure takes one of those that --help names");
}

static char *
describe (void)
{
  GString *text = g_string_new ("Measures:\n");

  for (const measure_t *one = measures; one->name; one++)
    g_string_append_printf (text, "  %-12s %s\n", one->name, one->what);
  g_string_append (text, "\nTransports:\n");
  for (const transport_t *one = transports; one->name; one++)
    g_string_append_printf (text, "  %-12s %s%s%s\n", one->name, one->sink,
                            one->src ? ", " : "", one->src ? one->src : "");
  g_string_append (text, "\nA transport that stalls has no figure, but"
                         " \"stalled\". With $FC_BENCH_DAEMONS, ids of\n"
                         "processes, these are counted to PipeWire's.");
  return g_string_free (text, FALSE);
}

static char *measure, *transport, *size;
static int consumers = 1;

static const GOptionEntry entries[] = {
  { "measure", 'm', 0, G_OPTION_ARG_STRING, &measure, "what to measure",
    "MEASURE" },
  { "transport", 't', 0, G_OPTION_ARG_STRING, &transport,
    "by which elements (fc)", "TRANSPORT" },
  { "size", 's', 0, G_OPTION_ARG_STRING, &size,
    "of a frame: 720p, 1080p, 2160p, 4320p, or bytes, then audio (1080p)",
    "SIZE" },
  { "rate", 'r', 0, G_OPTION_ARG_DOUBLE, &options.rate,
    "frames/s, where a measure has a rate (60)", "RATE" },
  { "consumers", 'c', 0, G_OPTION_ARG_INT, &consumers,
    "processes that get the frames, 0 to 64 (1)", "N" },
  { "seconds", 'd', 0, G_OPTION_ARG_DOUBLE, &options.seconds,
    "that are measured; each try of gst-paced takes as long (5; there 0.3)",
    "SECONDS" },
  { "times", 'n', 0, G_OPTION_ARG_INT, &options.times,
    "how often gst-start starts both (5)", "N" },
  { "fill", 'f', 0, G_OPTION_ARG_NONE, &options.config.fill,
    "the source writes each frame whole", NULL },
  { "read", 'R', 0, G_OPTION_ARG_NONE, &options.config.read,
    "each consumer reads each frame whole", NULL },
  { "json", 'j', 0, G_OPTION_ARG_NONE, &options.json,
    "print one JSON object a line", NULL },
  G_OPTION_ENTRY_NULL,
};

static int
check_options (void)
{
  config_t *config = &options.config;

  if (transport && !find_transport (transport))
    return refuse ("--transport takes one of those that --help names");
  if (!parse_size (size ? size : "1080p"))
    return refuse ("--size takes 720p, 1080p, 2160p, 4320p, or bytes: a"
                   " multiple of 4, 16 to 64 MiB");
  if (consumers < 0 || consumers > MAX_CONSUMERS)
    return refuse ("--consumers takes 0 to 64");
  if (options.rate <= 0 || options.rate > 1e6)
    return refuse ("--rate takes frames/s, up to 1000000");
  if (options.seconds <= 0 || options.seconds > 60)
    return refuse ("--seconds takes up to 60 seconds");
  if (options.times < 1 || options.times > 1000)
    return refuse ("--times takes 1 to 1000");
  if (transport)
    g_strlcpy (config->transport, transport, sizeof config->transport);
  /* One for the time that it takes to start. */
  config->consumers
      = g_strcmp0 (measure, "gst-start") == 0 ? 1 : (unsigned) consumers;
  if (find_transport (config->transport)->src == NULL)
    config->consumers = 0;
  return 0;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autofree char *description = describe ();
  g_autoptr (GError) error = NULL;
  int ret;

  if (argc == 5 && strcmp (argv[1], "--role") == 0)
    return be (argv[2], (unsigned) atoi (argv[3]), atoi (argv[4]));
  options.rate = 60;
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_description (context, description);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return refuse (error->message);
  if (argc > 1)
    return refuse ("--help has the options; there is nothing else to say");
  if (options.seconds == 0)
    options.seconds = g_strcmp0 (measure, "gst-paced") == 0 ? 0.3 : 5;
  ret = check_options ();
  if (ret != 0)
    return ret;
  gst_init (NULL, NULL);
  return run_measure (measure);
}
