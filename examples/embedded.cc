// A Datastore inside the program: no server is needed. If MEMCACHED_HOSTS names a memcached, it is used.
#include <ndb/local_datastore.h>
#include <ndb/ndb.h>

#include <cstdint>
#include <iostream>
#include <string>

class Note : public ndb::Model<Note> {
 public:
  struct Properties {
    std::string title{};
    ndb::Text text{};
    ndb::Timestamp written{};
  };
  NDB_MODEL(title, text, (written, .auto_now = true))
};

int main() {
  const auto datastore = ndb::LocalDatastore::start();  // in memory; {.data_dir = "notes"} keeps it in a folder
  const ndb::Client client({.channel = datastore->channel()});
  const auto scope = client.context();

  Note note = Note::make({.title = "Groceries", .text = "bread, butter"});
  note.put();  // the Datastore assigns an id
  std::cout << note.key() << ": " << note->title << '\n';

  ndb::transaction([&] {
    Note same = note.key().get<Note>();
    same.edit().text += ", milk";
    same.put();
  });
  std::cout << note.key().get<Note>()->text << '\n';
}
