// SPDX-License-Identifier: Apache-2.0
import Captioning
import TrimLLaVA

/// The line that an error is on a terminal: its own words, and the options that change what it is about.
func errorLine(_ error: any Error) -> String {
    let options = options(changing: libraryError(error))
    return options.isEmpty ? "\(error)" : "\(error); see \(options.joined(separator: " and "))"
}

/// The library's error, also inside that of a job.
private func libraryError(_ error: any Error) -> LLaVAError {
    if case CaptioningError.model(let error) = error { error } else { LLaVAError(error) }
}

private func options(changing error: LLaVAError) -> [String] {
    switch error {
    case .generation(.promptTooLong): ["--context", "--keep"]
    case .model(.contextOutOfRange),
        .model(.cacheTooLarge), .generation(.model(.cacheTooLarge)),
        .model(.outOfCachePages), .generation(.model(.outOfCachePages)):
        ["--context"]
    case .tokenization(.unknownTemplate): ["--template"]
    default: []
    }
}
