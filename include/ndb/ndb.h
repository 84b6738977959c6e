// All of ndb: entities of Google Cloud Datastore, read through a coherent two-tier cache. Start with ndb::Client.
#pragma once

#include "ndb/client.h"
#include "ndb/context.h"
#include "ndb/entity.h"
#include "ndb/error.h"
#include "ndb/future.h"
#include "ndb/key.h"
#include "ndb/log.h"
#include "ndb/model.h"
#include "ndb/options.h"
#include "ndb/policy.h"
#include "ndb/projection.h"
#include "ndb/query.h"
#include "ndb/tasklet.h"
#include "ndb/transaction.h"
#include "ndb/value.h"
#include "ndb/verbs.h"
