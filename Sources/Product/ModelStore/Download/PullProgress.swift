// SPDX-License-Identifier: Apache-2.0

/// What a download of a model is doing.
public enum PullProgress: Sendable, Equatable {
    /// Another process fetches the same file, and this one waits for it.
    case waiting(PulledFile)
    /// The bytes that an earlier try left are read; `done` of them have been.
    case checking(PulledFile, done: Int)
    /// The file has `done` bytes.
    case downloading(PulledFile, done: Int)
    /// A try failed, and the next one comes after some seconds.
    case retrying(PulledFile, reason: String, seconds: Double)
    /// The file is complete and right; `isNew` if it was not there before.
    case finished(PulledFile, isNew: Bool)
}

/// One of the files that are fetched.
public struct PulledFile: Sendable, Equatable {
    /// Its path in the repository.
    public let path: String
    /// All its bytes.
    public let size: Int
    /// Its number among the files of the model, from 1.
    public let number: Int
    /// The number of files of the model.
    public let count: Int
}
