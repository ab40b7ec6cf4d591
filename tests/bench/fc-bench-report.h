/* What the benches share beside fc-bench.h: their options, and what they
 * print: a table for people, or with --json one object a line.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_BENCH_REPORT_H
#define FC_BENCH_REPORT_H

#include <errno.h>
#include <getopt.h>

#include "fc-bench.h"

#define OPTIONS_MAX 12
#define PARAMETERS_MAX 8

/* Options ------------------------------------------------------------------ */

/* --name NUMBER, and the same by its letter. */
typedef struct
{
  char letter;
  const char *name;
  uint64_t *value; /* what it is by default */
  uint64_t min, max;
  const char *meaning; /* with the unit */
} option_t;

static bool as_json;

static inline void
print_usage (FILE *to, const char *program, const char *about,
             const option_t *options)
{
  fprintf (to, "usage: %s [--json] [--OPTION NUMBER...]\n\n%s\n\n", program,
           about);
  fprintf (to, "  -j, --json            one JSON object a line\n");
  fprintf (to, "  -h, --help            this text\n");
  for (; options->name != NULL; options++)
    fprintf (to, "  -%c, --%-14s  %s (%llu to %llu; %llu)\n", options->letter,
             options->name, options->meaning, (unsigned long long) options->min,
             (unsigned long long) options->max,
             (unsigned long long) *options->value);
}

static inline void
take_option (const char *program, const option_t *option, const char *text)
{
  unsigned long long value;
  char *end;

  errno = 0;
  value = strtoull (text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || errno != 0
      || value < option->min || value > option->max)
    {
      fprintf (stderr,
               "%s: --%s is %s; it must be a number from %llu to %llu\n",
               program, option->name, text, (unsigned long long) option->min,
               (unsigned long long) option->max);
      exit (2);
    }
  *option->value = value;
}

/* OPTIONS end with one without a name. */
static inline void
take_options (int argc, char **argv, const char *about, const option_t *options)
{
  struct option lines[OPTIONS_MAX + 3]
      = { { "json", 0, NULL, 'j' }, { "help", 0, NULL, 'h' } };
  char letters[2 * OPTIONS_MAX + 3] = "jh", *at = letters + 2;
  int letter;

  for (unsigned i = 0; i < OPTIONS_MAX && options[i].name != NULL; i++)
    {
      lines[i + 2]
          = (struct option){ options[i].name, 1, NULL, options[i].letter };
      *at++ = options[i].letter;
      *at++ = ':';
    }
  while ((letter = getopt_long (argc, argv, letters, lines, NULL)) != -1)
    {
      const option_t *option = options;

      while (option->name != NULL && option->letter != letter)
        option++;
      if (option->name != NULL)
        take_option (argv[0], option, optarg);
      else if (letter == 'j')
        as_json = true;
      else
        {
          print_usage (letter == 'h' ? stdout : stderr, argv[0], about,
                       options);
          exit (letter == 'h' ? 0 : 2);
        }
    }
  if (optind < argc)
    {
      fprintf (stderr, "%s: \"%s\" is no option; --help lists them\n", argv[0],
               argv[optind]);
      exit (2);
    }
}

/* Figures ------------------------------------------------------------------ */

/* A list of them ends with one without a key. Keys end with their unit. */
typedef struct
{
  const char *key;
  double value;
} number_t;

/* Of N samples, in ns. */
typedef struct
{
  double p50, p99, min, mean;
  size_t n;
} spread_t;

static const char *report_measure;
static bool report_heading; /* is to come before the first spread */
static number_t report_parameters[PARAMETERS_MAX + 1];

/* Sorts the samples. */
static inline spread_t
spread_of (int64_t *sample, size_t n)
{
  spread_t spread = { .n = n };
  double sum = 0;

  if (n == 0)
    return spread;
  qsort (sample, n, sizeof *sample, compare_ns);
  for (size_t i = 0; i < n; i++)
    sum += (double) sample[i];
  spread.p50 = (double) sample[(n - 1) / 2];
  spread.p99 = (double) sample[(size_t) ((double) (n - 1) * 0.99)];
  spread.min = (double) sample[0];
  spread.mean = sum / (double) n;
  return spread;
}

static inline const char *
system_name (void)
{
  static char name[64] = "Linux";
  char line[256], id[32] = "", version[32] = "";
  FILE *file = fopen ("/etc/os-release", "r");

  while (file != NULL && fgets (line, sizeof line, file) != NULL)
    {
      (void) sscanf (line, "NAME=\"%31[^ \"]", id);
      (void) sscanf (line, "VERSION_ID=\"%31[^\"]", version);
    }
  if (file != NULL)
    fclose (file);
  if (id[0] != '\0')
    snprintf (name, sizeof name, "%s %s", id, version);
  return name;
}

/* Begin to report MEASURE, made with PARAMETERS. */
static inline void
report (const char *measure, const number_t *parameters)
{
  report_measure = measure;
  memset (report_parameters, 0, sizeof report_parameters);
  for (unsigned i = 0; i < PARAMETERS_MAX && parameters[i].key != NULL; i++)
    report_parameters[i] = parameters[i];
  if (as_json)
    return;
  printf ("%s:", measure);
  for (; parameters->key != NULL; parameters++)
    printf (" %s %.0f", parameters->key, parameters->value);
  printf ("\n");
  report_heading = true;
}

static inline void
print_numbers (const number_t *number)
{
  for (; number != NULL && number->key != NULL; number++)
    if (as_json)
      printf (",\"%s\":%.10g", number->key, number->value);
    else
      printf ("  %s %.10g", number->key, number->value);
}

/* One WHAT: its SPREAD, if not NULL, beside that of its FLOOR, if not NULL;
 * and MORE figures, if not NULL. */
static inline void
report_row (const char *what, const spread_t *spread, const spread_t *floor,
            const number_t *more)
{
  if (as_json)
    {
      printf ("{\"measure\":\"%s\",\"what\":\"%s\"", report_measure, what);
      print_numbers (report_parameters);
      if (spread != NULL)
        printf (",\"p50_ns\":%.0f,\"p99_ns\":%.0f,\"min_ns\":%.0f,"
                "\"mean_ns\":%.1f,\"n\":%zu",
                spread->p50, spread->p99, spread->min, spread->mean, spread->n);
      print_numbers (more);
      printf (",\"system\":\"%s\"}\n", system_name ());
      return;
    }
  if (spread != NULL && report_heading)
    printf ("%-14s %10s %10s %10s %10s %9s %9s\n", "us", "p50", "p99", "min",
            "mean", "p50/floor", "p99/floor");
  report_heading = report_heading && spread == NULL;
  printf ("%-14s", what);
  if (spread != NULL)
    printf (" %10.2f %10.2f %10.2f %10.2f", spread->p50 / 1e3,
            spread->p99 / 1e3, spread->min / 1e3, spread->mean / 1e3);
  if (spread != NULL && floor != NULL)
    printf (" %9.3f %9.3f", spread->p50 / floor->p50, spread->p99 / floor->p99);
  print_numbers (more);
  printf ("\n");
}

/* Processes --------------------------------------------------------------- */

static inline void
be_busy (void *arg)
{
  volatile unsigned n = 0;

  (void) arg;
  for (;;)
    n++;
}

static inline void
start_load (pid_t *pid, uint64_t count)
{
  for (uint64_t i = 0; i < count; i++)
    pid[i] = start (be_busy, NULL);
}

static inline void
end_all (const pid_t *pid, uint64_t count)
{
  for (uint64_t i = 0; i < count; i++)
    end (pid[i]);
}

/* Such a process's argv[0]. */
#define STARTED_ANEW "fc-bench-started-anew"

/* This program once more, with ROLE and two numbers as arguments, and its
 * standard output being OUT: a process that has nothing of this one's memory.
 */
static inline pid_t
start_anew (const char *role, uint64_t a, uint64_t b, int out)
{
  char text[2][24];
  pid_t pid;

  snprintf (text[0], sizeof text[0], "%llu", (unsigned long long) a);
  snprintf (text[1], sizeof text[1], "%llu", (unsigned long long) b);
  /* Not fork (): how much this process has mapped would count. */
  pid = vfork ();
  if (pid == 0)
    {
      dup2 (out, STDOUT_FILENO);
      execl ("/proc/self/exe", STARTED_ANEW, role, bench_dir, text[0], text[1],
             NULL);
      _exit (127);
    }
  if (pid < 0)
    {
      perror ("vfork");
      exit (1);
    }
  return pid;
}

/* Whether this process was started so; then its role, and A and B. */
static inline const char *
started_anew (int argc, char **argv, uint64_t *a, uint64_t *b)
{
  if (argc != 5 || strcmp (argv[0], STARTED_ANEW) != 0)
    return NULL;
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  snprintf (bench_dir, sizeof bench_dir, "%s", argv[2]);
  *a = strtoull (argv[3], NULL, 10);
  *b = strtoull (argv[4], NULL, 10);
  return argv[1];
}

static inline fc_writer_t *
open_bench_writer (const char *slot, uint64_t size, uint64_t depth,
                   uint64_t consumers)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_writer_t *writer;

  options.dir = bench_dir;
  options.frame_size = size;
  options.ring_depth = (uint32_t) depth;
  options.max_consumers = (uint32_t) consumers;
  must (fc_writer_open (&writer, slot, &options), "writer");
  return writer;
}

/* Waits for the slot. */
static inline fc_consumer_t *
open_bench_consumer (const char *slot)
{
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  fc_consumer_t *consumer;

  options.dir = bench_dir;
  options.wait_ns = 60 * SEC;
  must (fc_consumer_open (&consumer, slot, &options), "consumer");
  return consumer;
}

#endif /* FC_BENCH_REPORT_H */
