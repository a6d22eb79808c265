// SPDX-License-Identifier: Apache-2.0

/// Writes records as they come or in the order of their pictures.
struct RecordQueue {
    /// A record with its picture and prompt.
    private struct Entry {
        let record: CaptionRecord
        let picture: PictureReference
        let prompt: Int?
    }

    let output: CaptionOutput
    private let isOrdered: Bool
    private var waiting: [Int: [Entry]] = [:]
    /// Complete tasks that wait for earlier ones.
    private var complete: Set<Int> = []
    /// The task whose records come next.
    private var next = 0

    init(_ output: CaptionOutput, isOrdered: Bool) {
        self.output = output
        self.isOrdered = isOrdered
    }

    /// Adds a record of the task at a position, which has `recordsOfTask` records.
    ///
    /// - Returns: the pictures whose sidecars could not be written, of this record and those that waited for it.
    @discardableResult
    mutating func add(
        _ record: CaptionRecord, of picture: PictureReference, prompt: Int?, task: Int,
        recordsOfTask: Int
    ) throws(CaptioningError) -> [InputFailure] {
        let entry = Entry(record: record, picture: picture, prompt: prompt)
        guard isOrdered else { return try write([entry]) }
        waiting[task, default: []].append(entry)
        if waiting[task]?.count == recordsOfTask { complete.insert(task) }
        var failures: [InputFailure] = []
        while complete.remove(next) != nil {
            failures += try write(task: next)
            next += 1
        }
        return failures
    }

    /// Writes the waiting records, in order.
    ///
    /// - Returns: the pictures whose sidecars could not be written.
    @discardableResult
    mutating func flush() throws(CaptioningError) -> [InputFailure] {
        var failures: [InputFailure] = []
        for task in waiting.keys.sorted() { failures += try write(task: task) }
        return failures
    }

    private mutating func write(task: Int) throws(CaptioningError) -> [InputFailure] {
        let entries = waiting.removeValue(forKey: task) ?? []
        return try write(entries.sorted { ($0.prompt ?? 0) < ($1.prompt ?? 0) })
    }

    private func write(_ entries: [Entry]) throws(CaptioningError) -> [InputFailure] {
        var failures: [InputFailure] = []
        for entry in entries {
            let failure = try output.write(entry.record, of: entry.picture, prompt: entry.prompt)
            if let failure { failures.append(failure) }
        }
        return failures
    }
}
