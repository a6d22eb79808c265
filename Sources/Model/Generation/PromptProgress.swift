// SPDX-License-Identifier: Apache-2.0

/// How far a prompt has come on its way through the model; the answer begins after it.
public enum PromptProgress: Sendable, Equatable {
    /// A picture, counted from 0, is in the vision tower; `done` goes from 0 to 1.
    case encoding(picture: Int, of: Int, done: Double)
    /// The prompt's rows are in the decoder; `done` goes from 0 to 1.
    case reading(done: Double)
}
