// SPDX-License-Identifier: Apache-2.0
import Captioning
import Evaluation
import Serving
import TrimLLaVA

/// The line that an error is on a terminal: its own words, and what changes what it is about.
func errorLine(_ error: any Error) -> String {
    switch error {
    case CaptioningError.recordsExist:
        return "\(error); continue it with --resume, or give another file"
    case CaptioningError.tooManyFailures: return "\(error); see --max-errors"
    case ServingError.unknownHost: return "\(error); see --host"
    case EvaluationError.textTooShort: return "\(error); see --window"
    case EvaluationError.windowTooLong: return "\(error); see --window and --context"
    case EvaluationError.otherRun: return "\(error); give another file with --answers"
    default:
        let options = options(changing: libraryError(error))
        return options.isEmpty ? "\(error)" : "\(error); see \(options.joined(separator: " and "))"
    }
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
    case .model(.noProjector), .generation(.model(.noProjector)): ["--mmproj"]
    case .model(.noVideos), .generation(.model(.noVideos)): ["--frames"]
    case .model(.cannotCrop), .generation(.model(.cannotCrop)): ["--crop"]
    case .kernels: ["the environment's TRIMLLAVA_KERNELS"]
    default: []
    }
}
