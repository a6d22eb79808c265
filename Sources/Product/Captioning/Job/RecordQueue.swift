// SPDX-License-Identifier: Apache-2.0

/// Hands records on as they come, or in the order of their pictures.
struct RecordQueue {
    /// A record and what it belongs to.
    private struct Entry {
        let record: CaptionRecord
        let picture: PictureReference
        let prompt: Int?
    }

    let output: CaptionOutput
    private let isOrdered: Bool
    private var waiting: [Int: [Entry]] = [:]
    /// Tasks that wait with all their records.
    private var complete: Set<Int> = []
    /// The task whose records come next.
    private var next = 0

    init(_ output: CaptionOutput, isOrdered: Bool) {
        self.output = output
        self.isOrdered = isOrdered
    }

    /// Takes a record of the task with some position, which has so many records in all.
    mutating func add(
        _ record: CaptionRecord, of picture: PictureReference, prompt: Int?, task: Int,
        recordsOfTask: Int
    ) throws(CaptioningError) {
        let entry = Entry(record: record, picture: picture, prompt: prompt)
        guard isOrdered else { return try write(entry) }
        waiting[task, default: []].append(entry)
        if waiting[task]?.count == recordsOfTask { complete.insert(task) }
        while complete.remove(next) != nil {
            try write(task: next)
            next += 1
        }
    }

    /// Hands on whatever waits, in order.
    mutating func flush() throws(CaptioningError) {
        for task in waiting.keys.sorted() { try write(task: task) }
    }

    private mutating func write(task: Int) throws(CaptioningError) {
        let entries = waiting.removeValue(forKey: task) ?? []
        for entry in entries.sorted(by: { ($0.prompt ?? 0) < ($1.prompt ?? 0) }) {
            try write(entry)
        }
    }

    private func write(_ entry: Entry) throws(CaptioningError) {
        try output.write(entry.record, of: entry.picture, prompt: entry.prompt)
    }
}
