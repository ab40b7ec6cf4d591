/* framecache: a reserved slot in JSON
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCR_ENTRY_JSON_H
#define FCR_ENTRY_JSON_H

#include <json-glib/json-glib.h>

#include "statefile.h"

G_BEGIN_DECLS

/* An object more in the array that BUILDER has open. */
void fcr_entry_to_json (const FcrEntry *entry, JsonBuilder *builder);
/* NULL with ERROR (FCR_ERROR_FAILED) where NODE, which is not to be trusted, is
 * no such object. */
FcrEntry *fcr_entry_from_json (JsonNode *node, GError **error);

G_END_DECLS

#endif /* FCR_ENTRY_JSON_H */
